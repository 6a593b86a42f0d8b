//! Who a user agent says it is: browser, operating system, device. Rules are tried in order, the more specific first;
//! what no rule knows is `Other`.
//!
//! Source: Kusto Query Language reference, "parse_user_agent()"; RFC 9110, section 10.1.5; the user agent strings that
//! the makers of browsers document.

use std::sync::LazyLock;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use regex::{Captures, Regex};
use taffrail_kql::catalog::{Argument, ArgumentError, Resolved};
use taffrail_kql::types::Type;

use super::call::{Call, Datum};
use super::declare::{Scalar, custom, kernel};
use super::dynamic::json;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[kernel(
    "parse_user_agent",
    "parse_user_agent(user_agent, look_for) → dynamic",
    "What a user agent says of its browser, operating system and device.",
    custom(types),
    parse_user_agent,
)];

fn types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [_] => Ok(Resolved::one(vec![Type::String], Type::Dynamic)),
        [_, target] if matches!(target.ty, Type::String | Type::Dynamic) => Ok(Resolved::one(vec![Type::String, target.ty], Type::Dynamic)),
        [_, _] => Err(ArgumentError {
            argument: Some(1),
            message: "expected 'browser', 'os', 'device', or an array of them".to_owned(),
        }),
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a user agent and perhaps what to look for".to_owned(),
        }),
    }
}

/// A pattern whose groups are the parts of a version, and a name; `$1` in a name is a group, the version then begins
/// behind it.
type Rule = (&'static str, &'static str);

const BROWSERS: &[Rule] = &[
    (r"AdobeAIR/(\d+)\.(\d+)(?:\.(\d+))?", "AdobeAIR"),
    (
        r"(Googlebot|bingbot|YandexBot|DuckDuckBot|Baiduspider|Applebot|AhrefsBot|SemrushBot|MJ12bot|PetalBot|GPTBot|ClaudeBot|CCBot|Twitterbot|Slackbot|Discordbot|facebookexternalhit|LinkedInBot)(?:/(\d+)(?:\.(\d+)(?:\.(\d+))?)?)?",
        "$1",
    ),
    (
        r"(curl|Wget|python-requests|PostmanRuntime|okhttp|Go-http-client|Apache-HttpClient|aiohttp|axios|node-fetch|kubectl|PowerShell)/v?(\d+)(?:\.(\d+)(?:\.(\d+))?)?",
        "$1",
    ),
    (r"Series60/(\d+)\.(\d+)", "Nokia OSS Browser"),
    (r"SamsungBrowser/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Samsung Internet"),
    (r"(?:OPR|OPX|Opera GX)/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Opera"),
    (r"Opera Mini(?:/att)?/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Opera Mini"),
    (r"Opera/.+Version/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Opera"),
    (r"Opera[/ ](\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Opera"),
    (r"EdgA/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Edge Mobile"),
    (r"EdgiOS/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Edge Mobile"),
    (r"Edge?/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Edge"),
    (r"Vivaldi/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Vivaldi"),
    (r"YaBrowser/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Yandex Browser"),
    (r"UCBrowser[ /]v?(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "UC Browser"),
    (r"HeadlessChrome(?:/(\d+)(?:\.(\d+)(?:\.(\d+))?)?)?", "HeadlessChrome"),
    (r"Electron/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Electron"),
    (r"FxiOS/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Firefox iOS"),
    (r"CriOS/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Chrome Mobile iOS"),
    (r"(?:Mobile|Tablet);.+Firefox/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Firefox Mobile"),
    (r"Thunderbird/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Thunderbird"),
    (r"SeaMonkey/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "SeaMonkey"),
    (r"Firefox/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Firefox"),
    (r"; wv\).+Chrome/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Chrome Mobile WebView"),
    (r"Chrome/(\d+)(?:\.(\d+)(?:\.(\d+))?)?.* Mobile[ /]", "Chrome Mobile"),
    (r"Chromium/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Chromium"),
    (r"Chrome/(\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Chrome"),
    (
        r"(?:iPhone|iPad|iPod).+Version/(\d+)(?:\.(\d+)(?:\.(\d+))?)?.*Safari",
        "Mobile Safari",
    ),
    (r"(?:iPhone|iPad|iPod).+AppleWebKit", "Mobile Safari UI/WKWebView"),
    (r"Android.+Version/(\d+)(?:\.(\d+)(?:\.(\d+))?)?.*Safari", "Android"),
    (r"Version/(\d+)(?:\.(\d+)(?:\.(\d+))?)?.*Safari", "Safari"),
    (r"IEMobile[ /](\d+)(?:\.(\d+))?", "IE Mobile"),
    (r"Trident/.*rv:(\d+)(?:\.(\d+))?", "IE"),
    (r"MSIE (\d+)(?:\.(\d+))?", "IE"),
];

const SYSTEMS: &[Rule] = &[
    (r"Windows Phone(?: OS)?[ /](\d+)\.(\d+)", "Windows Phone"),
    (r"Windows NT 10\.0", "Windows 10"),
    (r"Windows NT 6\.3", "Windows 8.1"),
    (r"Windows NT 6\.2", "Windows 8"),
    (r"Windows NT 6\.1", "Windows 7"),
    (r"Windows NT 6\.0", "Windows Vista"),
    (r"Windows NT 5\.[12]|Windows XP", "Windows XP"),
    (r"Windows NT 5\.0", "Windows 2000"),
    (r"Windows", "Windows"),
    (r"SymbianOS/(\d+)\.(\d+)", "Symbian OS"),
    (r"Symbian", "Symbian OS"),
    (r"Tizen[/ ](\d+)\.(\d+)", "Tizen"),
    (r"Android[ -](\d+)(?:\.(\d+)(?:\.(\d+))?)?", "Android"),
    (r"Android", "Android"),
    (r"(?:iPhone|iPad|iPod).*? OS (\d+)_(\d+)(?:_(\d+))?", "iOS"),
    (r"iPhone|iPad|iPod", "iOS"),
    (r"CrOS [a-z0-9_]+ (\d+)\.(\d+)(?:\.(\d+))?", "Chrome OS"),
    (r"Mac OS X (\d+)[_.](\d+)(?:[_.](\d+))?", "Mac OS X"),
    (r"Mac OS X|Macintosh|[Dd]arwin/", "Mac OS X"),
    (
        r"(Ubuntu|Debian|Fedora|CentOS|Red Hat|SUSE|FreeBSD|OpenBSD|NetBSD|SunOS)(?:[/ ](\d+)(?:\.(\d+)(?:\.(\d+))?)?)?",
        "$1",
    ),
    (r"BlackBerry|BB10", "BlackBerry OS"),
    (r"[Ll]inux", "Linux"),
];

/// A pattern, then family, brand and model; `$1` is a group.
const DEVICES: &[(&str, &str, &str, &str)] = &[
    (
        r"(?i)bot\b|bot/|spider|crawler|facebookexternalhit|slurp",
        "Spider",
        "Spider",
        "Desktop",
    ),
    (r"Nokia(N\d+)-?\d*[^;) ]*/?", "Nokia $1", "Nokia", "$2"),
    (r"Nokia ?([A-Za-z0-9.-]+)", "Nokia $1", "Nokia", "$1"),
    (r"iPhone", "iPhone", "Apple", "iPhone"),
    (r"iPad", "iPad", "Apple", "iPad"),
    (r"iPod", "iPod", "Apple", "iPod"),
    (r"Macintosh|Mac OS X", "Mac", "Apple", "Mac"),
    (r"; ?(SM-[A-Za-z0-9]+|GT-[A-Za-z0-9]+)", "Samsung $1", "Samsung", "$1"),
    (r"; ?(Pixel[A-Za-z0-9 ]*?)(?: Build|\)|;)", "$1", "Google", "$1"),
    (r"; ?(Nexus[A-Za-z0-9 ]*?)(?: Build|\)|;)", "$1", "Google", "$1"),
    (
        r"Android[^;)]*; ?(?:[a-z]{2}-[a-z]{2}; ?)?([^;)]+?)(?: Build|\)|;)",
        "$1",
        "Generic_Android",
        "$1",
    ),
];

static COMPILED: LazyLock<Rules> = LazyLock::new(|| {
    let compile = |rules: &[Rule]| -> Vec<(Regex, &'static str)> {
        rules
            .iter()
            .filter_map(|(pattern, name)| Some((Regex::new(pattern).ok()?, *name)))
            .collect()
    };
    let devices = DEVICES
        .iter()
        .filter_map(|(pattern, family, brand, model)| Some((Regex::new(pattern).ok()?, [*family, *brand, *model])));
    Rules {
        browsers: compile(BROWSERS),
        systems: compile(SYSTEMS),
        devices: devices.collect(),
    }
});

struct Rules {
    browsers: Vec<(Regex, &'static str)>,
    systems: Vec<(Regex, &'static str)>,
    devices: Vec<(Regex, [&'static str; 3])>,
}

fn group<'t>(captures: &Captures<'t>, index: usize) -> &'t str {
    captures.get(index).map_or("", |part| part.as_str())
}

/// The name of the first rule that fits, and the parts of its version.
fn first(rules: &[(Regex, &'static str)], text: &str) -> Option<(String, [String; 3])> {
    let (captures, name) = rules.iter().find_map(|(rule, name)| Some((rule.captures(text)?, *name)))?;
    let version = usize::from(name == "$1");
    let family = if version == 1 { group(&captures, 1) } else { name };
    let parts = [1, 2, 3].map(|part| group(&captures, part + version).to_owned());
    Some((family.to_owned(), parts))
}

fn write_members(name: &str, members: &[(&str, &str)], out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
    json::write_string(name, out);
    out.push_str(":{");
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::write_string(name, out);
        out.push(':');
        json::write_string(value, out);
    }
    out.push('}');
}

fn write_browser(text: &str, out: &mut String) {
    let (family, [major, minor, patch]) = first(&COMPILED.browsers, text).unwrap_or(("Other".to_owned(), Default::default()));
    let members = [
        ("Family", family.as_str()),
        ("MajorVersion", &major),
        ("MinorVersion", &minor),
        ("Patch", &patch),
    ];
    write_members("Browser", &members, out);
}

fn write_system(text: &str, out: &mut String) {
    let (mut family, [mut major, minor, patch]) = first(&COMPILED.systems, text).unwrap_or(("Other".to_owned(), Default::default()));
    // The name of a Windows is its version.
    if let Some(version) = family.strip_prefix("Windows ").filter(|version| *version != "Phone") {
        major = version.to_owned();
        family = "Windows".to_owned();
    }
    let members = [
        ("Family", family.as_str()),
        ("MajorVersion", &major),
        ("MinorVersion", &minor),
        ("Patch", &patch),
        ("PatchMinor", ""),
    ];
    write_members("OperatingSystem", &members, out);
}

fn write_device(text: &str, out: &mut String) {
    let found = COMPILED
        .devices
        .iter()
        .find_map(|(rule, names)| Some((rule.captures(text)?, names)));
    let [family, brand, model] = match found {
        Some((captures, names)) => names.map(|name| {
            // `$2` is all that the text says of the model.
            let whole = group(&captures, 0).trim_end_matches('/').trim_start_matches("Nokia");
            let whole = whole.split(['/', ' ']).next().unwrap_or_default();
            name.replace("$1", group(&captures, 1)).replace("$2", whole)
        }),
        None => ["Other".to_owned(), String::new(), String::new()],
    };
    write_members("Device", &[("Family", &family), ("Brand", &brand), ("Model", &model)], out);
}

fn parse_user_agent(c: &Call<'_>) -> Result<ArrayRef> {
    let agent = c.text(0)?;
    let targets = if c.count() > 1 { Some(c.value(1)?) } else { None };
    c.texts(|i, out| {
        let text = agent.get(i)?;
        let targets: Vec<String> = match targets.map_or(Datum::String("all"), |targets| targets.get(i)) {
            Datum::String("all") => ["browser", "os", "device"].map(str::to_owned).to_vec(),
            Datum::String(target) => vec![target.to_owned()],
            Datum::Dynamic(array) => match json::elements(array) {
                Some(elements) => elements.map(|target| json::as_text(target).into_owned()).collect(),
                None => vec![json::as_text(array).into_owned()],
            },
            _ => return None,
        };
        let wanted = |target: &str| targets.iter().any(|wanted| wanted.eq_ignore_ascii_case(target));
        out.push('{');
        if wanted("browser") {
            write_browser(text, out);
        }
        if wanted("os") {
            write_system(text, out);
        }
        if wanted("device") {
            write_device(text, out);
        }
        out.push('}');
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_are_patterns() {
        assert_eq!(COMPILED.browsers.len(), BROWSERS.len());
        assert_eq!(COMPILED.systems.len(), SYSTEMS.len());
        assert_eq!(COMPILED.devices.len(), DEVICES.len());
    }
}
