//! Lines of containers, however they are framed: CRI log files, Docker's json-file, the records of shippers (Fluent Bit, Fluentd,
//! Vector, Filebeat), or bare. Partial lines are joined; pod and container come from the path of the file or from the shipper's
//! record (kubernetes.io, "Logging Architecture"; the CRI logging format of the container runtime interface).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{Sink, SourceError};
use crate::json;
use crate::klog::number_or_text_time;
use crate::lines;
use crate::time;

/// Which container a line is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) container_id: String,
    pub(crate) node: String,
    /// `KubernetesMetadata`, as JSON text; empty when nothing more is known
    pub(crate) metadata: String,
}

impl Place {
    /// From the path of a log file: `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`,
    /// `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log` or Docker's `containers/ID/ID-json.log`.
    pub(crate) fn of_path(path: &str) -> Place {
        let parts: Vec<&str> = path.split(['/', '\\']).collect();
        let [.., folder, container, _] = parts.as_slice() else {
            return Place::of_link(path);
        };
        let names: Vec<&str> = folder.split('_').collect();
        if let [namespace, pod, uid] = names.as_slice()
            && !namespace.is_empty()
            && uid.len() >= 16
        {
            return Place {
                namespace: (*namespace).to_owned(),
                pod: (*pod).to_owned(),
                container: (*container).to_owned(),
                metadata: uid_metadata(uid),
                ..Place::default()
            };
        }
        Place::of_link(parts.last().copied().unwrap_or_default())
    }

    fn of_link(name: &str) -> Place {
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        if let Some(id) = stem.split("-json.log").next().filter(|id| is_id(id)) {
            return Place {
                container_id: id.to_owned(),
                ..Place::default()
            };
        }
        let stem = stem.strip_suffix(".log").unwrap_or(stem);
        let names: Vec<&str> = stem.split('_').collect();
        if let [pod, namespace, rest] = names.as_slice()
            && let Some((container, id)) = rest.rsplit_once('-')
            && is_id(id)
        {
            return Place {
                namespace: (*namespace).to_owned(),
                pod: (*pod).to_owned(),
                container: container.to_owned(),
                container_id: id.to_owned(),
                ..Place::default()
            };
        }
        Place::default()
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn uid_metadata(uid: &str) -> String {
    let mut metadata = String::from("{\"podUid\":");
    json::push_string(&mut metadata, uid);
    metadata.push('}');
    metadata
}

/// A whole line of a container.
#[derive(Debug)]
pub(crate) struct Entry<'e> {
    pub(crate) text: &'e str,
    /// Of the framing
    pub(crate) time: Option<i64>,
    /// stdout, stderr or empty
    pub(crate) stream: &'e str,
    pub(crate) place: &'e Place,
}

/// A CRI line: `TIME STREAM TAGS TEXT`.
pub(crate) struct Cri<'a> {
    pub(crate) time: i64,
    pub(crate) stream: &'static str,
    pub(crate) partial: bool,
    pub(crate) text: &'a [u8],
}

/// Reads a CRI line.
pub(crate) fn cri(line: &[u8]) -> Option<Cri<'_>> {
    if line.get(4) != Some(&b'-') {
        return None;
    }
    let space = memchr::memchr(b' ', line.get(..40.min(line.len()))?)?;
    let rest = line.get(space + 1..)?;
    let (stream, rest) = if let Some(rest) = rest.strip_prefix(b"stdout ") {
        ("stdout", rest)
    } else {
        ("stderr", rest.strip_prefix(b"stderr ")?)
    };
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let partial = match rest.get(..end)?.split(|byte| *byte == b':').next()? {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    Some(Cri {
        time: time::parse_rfc3339(std::str::from_utf8(line.get(..space)?).ok()?)?,
        stream,
        partial,
        text: rest.get(end + 1..).unwrap_or_default(),
    })
}

/// The record of Docker or of a shipper.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    log: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    date: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "@timestamp")]
    at_timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    logtag: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_p")]
    tag: Option<&'a RawValue>,
    #[serde(borrow, default)]
    kubernetes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    container: Option<&'a RawValue>,
    #[serde(borrow, default)]
    file: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "filename")]
    file_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attrs: Option<&'a RawValue>,
}

/// A JSON string's text; of anything else nothing.
fn text_of(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

struct Shipped<'a> {
    text: Cow<'a, str>,
    time: Option<i64>,
    stream: Cow<'a, str>,
    partial: bool,
    place: Option<Place>,
}

fn shipped(line: &str) -> Option<Shipped<'_>> {
    let record: Record<'_> = serde_json::from_str(line).ok()?;
    let framed = record.stream.is_some() || record.kubernetes.is_some() || record.attrs.is_some();
    let docker = text_of(record.log);
    // An application's own JSON may have a message, too: a shipper's record names a stream or a pod.
    let text = match (docker, text_of(record.message)) {
        (Some(log), _) if framed || record.time.is_some() => log,
        (_, Some(message)) if framed => message,
        _ => return None,
    };
    let time = [record.time, record.timestamp, record.at_timestamp, record.date]
        .into_iter()
        .flatten()
        .find_map(|raw| number_or_text_time(raw.get()));
    let tag = text_of(record.logtag).or_else(|| text_of(record.tag)).unwrap_or_default();
    let ends = text.ends_with('\n');
    // Docker ends whole lines with a line end; shippers have taken it off.
    let is_docker = record.kubernetes.is_none() && tag.is_empty() && record.log.is_some() && record.time.is_some();
    let mut place = record.kubernetes.map(|raw| place_of(raw.get()));
    if let Some(path) = text_of(record.file).or_else(|| text_of(record.file_name)) {
        let of_path = Place::of_path(&path);
        if place.as_ref().is_none_or(|place| place.pod.is_empty()) && of_path != Place::default() {
            place = Some(of_path);
        }
    }
    if let Some(place) = &mut place
        && place.container_id.is_empty()
        && let Some(container) = record.container
    {
        place.container_id = member(container.get(), &["id"]).unwrap_or_default();
    }
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
            Cow::Owned(text)
        }
    };
    Some(Shipped {
        text,
        time,
        stream: text_of(record.stream).unwrap_or_default(),
        partial: tag == "P" || (is_docker && !ends),
        place,
    })
}

/// The first of some members, or members of members (`pod.name`), that is text.
fn member(object: &str, paths: &[&str]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(object).ok()?;
    first_of(&value, paths)
}

fn first_of(value: &serde_json::Value, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| {
        let found = path.split('.').try_fold(value, |value, name| value.get(name))?;
        found.as_str().map(str::to_owned)
    })
}

/// What Fluent Bit, Fluentd, Vector and Filebeat call the same things.
fn place_of(kubernetes: &str) -> Place {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(kubernetes) else {
        return Place::default();
    };
    let text = |paths: &[&str]| first_of(&value, paths).unwrap_or_default();
    let mut metadata = serde_json::Map::new();
    for (name, paths) in [
        ("podUid", &["pod_id", "pod_uid", "pod.uid"][..]),
        ("image", &["container_image", "container.image"]),
        ("imageID", &["container_hash", "container_image_id"]),
    ] {
        if let Some(text) = first_of(&value, paths) {
            metadata.insert(name.to_owned(), text.into());
        }
    }
    for (name, members) in [
        ("podLabels", ["labels", "pod_labels"]),
        ("podAnnotations", ["annotations", "pod_annotations"]),
    ] {
        if let Some(object) = members.iter().find_map(|member| value.get(member)) {
            metadata.insert(name.to_owned(), object.clone());
        }
    }
    Place {
        namespace: text(&["namespace_name", "pod_namespace", "namespace"]),
        pod: text(&["pod_name", "pod.name"]),
        container: text(&["container_name", "container.name"]),
        container_id: text(&["docker_id", "container_id", "container.id"])
            .rsplit("://")
            .next()
            .unwrap_or_default()
            .to_owned(),
        node: text(&["host", "pod_node_name", "node.name", "node_name"]),
        metadata: if metadata.is_empty() {
            String::new()
        } else {
            serde_json::Value::Object(metadata).to_string()
        },
    }
}

/// Parts of a line that has not ended.
struct Partial {
    text: String,
    time: Option<i64>,
    stream: String,
    place: Option<Place>,
}

/// Gives every whole line of a body to `each`.
pub(crate) fn entries(
    body: &[u8],
    sink: &mut Sink<'_>,
    each: &mut dyn FnMut(&mut Sink<'_>, &Entry<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let file = Place::of_path(&sink.context.origin);
    let mut partials: Vec<Partial> = Vec::new();
    if body.trim_ascii_start().starts_with(b"[{") {
        for record in json::records(body) {
            match record {
                Ok(record) => one_line(record.as_bytes(), &file, &mut partials, sink, each)?,
                Err(bad) => sink.reject("not JSON", &bad.message, body.get(bad.at..).unwrap_or_default()),
            }
        }
    } else {
        for line in lines::raw_lines(body) {
            one_line(line, &file, &mut partials, sink, each)?;
        }
    }
    for partial in partials {
        give(
            &partial.text,
            partial.time,
            &partial.stream,
            partial.place.as_ref().unwrap_or(&file),
            sink,
            each,
        )?;
    }
    Ok(())
}

fn one_line(
    line: &[u8],
    file: &Place,
    partials: &mut Vec<Partial>,
    sink: &mut Sink<'_>,
    each: &mut dyn FnMut(&mut Sink<'_>, &Entry<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    if sink.too_large(line) {
        return Ok(());
    }
    if let Some(cri) = cri(line) {
        let text = String::from_utf8_lossy(cri.text);
        if !cri.partial && partials.is_empty() {
            return give(&text, Some(cri.time), cri.stream, file, sink, each);
        }
        return join(&text, Some(cri.time), cri.stream, None, cri.partial, file, partials, sink, each);
    }
    let line = String::from_utf8_lossy(line);
    if line.starts_with('{')
        && let Some(shipped) = shipped(&line)
    {
        let Shipped {
            text,
            time,
            stream,
            partial,
            place,
        } = shipped;
        if !partial && partials.is_empty() {
            return give(&text, time, &stream, place.as_ref().unwrap_or(file), sink, each);
        }
        return join(&text, time, &stream, place, partial, file, partials, sink, each);
    }
    give(&line, None, "", file, sink, each)
}

fn give(
    text: &str,
    time: Option<i64>,
    stream: &str,
    place: &Place,
    sink: &mut Sink<'_>,
    each: &mut dyn FnMut(&mut Sink<'_>, &Entry<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    each(sink, &Entry { text, time, stream, place })
}

/// Adds a part to the line it belongs to: the one of the same container and stream.
#[allow(clippy::too_many_arguments)] // what a line consists of, and where it goes
fn join(
    text: &str,
    time: Option<i64>,
    stream: &str,
    place: Option<Place>,
    partial: bool,
    file: &Place,
    partials: &mut Vec<Partial>,
    sink: &mut Sink<'_>,
    each: &mut dyn FnMut(&mut Sink<'_>, &Entry<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let open = partials.iter().position(|open| open.stream == stream && open.place == place);
    match open {
        None if !partial => give(text, time, stream, place.as_ref().unwrap_or(file), sink, each),
        None => {
            partials.push(Partial {
                text: text.to_owned(),
                time,
                stream: stream.to_owned(),
                place,
            });
            Ok(())
        }
        Some(index) => {
            let Some(open) = partials.get_mut(index) else { return Ok(()) };
            open.text.push_str(text);
            if partial && open.text.len() <= sink.limits.record {
                return Ok(());
            }
            let whole = partials.swap_remove(index);
            if sink.too_large(whole.text.as_bytes()) {
                return Ok(());
            }
            give(
                &whole.text,
                whole.time,
                &whole.stream,
                whole.place.as_ref().unwrap_or(file),
                sink,
                each,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_and_container_come_from_the_path() {
        let pods = Place::of_path("/var/log/pods/shop_web-1_0b3cf8a4-0000-4000-8000-000000000001/web/0.log");
        assert_eq!((&*pods.namespace, &*pods.pod, &*pods.container), ("shop", "web-1", "web"));
        assert_eq!(pods.metadata, r#"{"podUid":"0b3cf8a4-0000-4000-8000-000000000001"}"#);
        let id = "4f2".repeat(21) + "a";
        let link = Place::of_path(&format!("/var/log/containers/web-1_shop_web-{id}.log"));
        assert_eq!(
            (&*link.namespace, &*link.pod, &*link.container, &*link.container_id),
            ("shop", "web-1", "web", &*id)
        );
        let docker = Place::of_path(&format!("/var/lib/docker/containers/{id}/{id}-json.log"));
        assert_eq!((&*docker.pod, &*docker.container_id), ("", &*id));
        assert_eq!(Place::of_path("audit.log"), Place::default());
        assert_eq!(Place::of_path("198.51.100.7"), Place::default());
    }
}
