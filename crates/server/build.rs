//! Says where the portal's files are: `ui/dist` when it was built, else a page that says how to build it.

use std::path::{Path, PathBuf};
use std::{env, fs};

const MISSING: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Taffrail</title>\n\
<h1>Taffrail runs, without its portal</h1>\n\
<p>This program was built before the portal was. Build it with <code>npm ci &amp;&amp; npm run build</code> in \
<code>ui/</code>, then build Taffrail again. The API works: see <a href=\"/api/v1/openapi.json\">its description</a>.</p>\n";

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let built = here.join("../../ui/dist");
    println!("cargo:rerun-if-changed={}", built.display());
    println!("cargo:rerun-if-changed=build.rs");
    let assets = if built.join("index.html").is_file() {
        built.canonicalize().unwrap_or(built)
    } else {
        placeholder(Path::new(&env::var("OUT_DIR").unwrap_or_default()))
    };
    println!("cargo:rustc-env=TAFFRAIL_UI_DIST={}", assets.display());
}

fn placeholder(out: &Path) -> PathBuf {
    let folder = out.join("ui");
    if let Err(error) = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("index.html"), MISSING)) {
        println!("cargo:warning=the page that stands in for the portal cannot be written: {error}");
    }
    folder
}
