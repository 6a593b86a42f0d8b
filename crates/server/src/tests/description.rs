//! The description of the API as it is kept for the portal, whose types are made from it.

use std::path::PathBuf;

#[test]
fn the_kept_description_is_the_one_of_this_server() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../ui/openapi.json");
    let mut now = serde_json::to_value(crate::openapi()).unwrap();
    // The version moves with each release and changes no type.
    now["info"]["version"] = "0".into();
    let now = format!("{}\n", serde_json::to_string_pretty(&now).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "ui/openapi.json is not what this server describes; run: UPDATE=1 cargo test -p taffrail-server --lib description, then npm run types in ui"
    );
}
