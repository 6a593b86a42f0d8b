//! The key that signs the account.

use std::path::Path;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hex;
use crate::disk::Disk;
use crate::durable::{read_file, replace_file};
use crate::error::LakeError;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// An Ed25519 key.
pub(super) struct SigningKey(Ed25519KeyPair);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

impl SigningKey {
    /// Reads the key that is given, or the folder's own; makes that when there is none.
    pub(super) fn open(disk: &dyn Disk, folder: &Path, given: Option<&Path>) -> Result<SigningKey, LakeError> {
        let own = folder.join("key.pem");
        let path = given.unwrap_or(&own);
        let key = match read_file(disk, path)? {
            Some(text) => SigningKey::parse(path, &String::from_utf8_lossy(&text))?,
            None if given.is_some() => return Err(LakeError::io("read", path)(std::io::ErrorKind::NotFound.into())),
            None => SigningKey::make(disk, path)?,
        };
        replace_file(disk, &folder.join("key.pub"), format!("{}\n", key.public()).as_bytes())?;
        Ok(key)
    }

    fn parse(path: &Path, text: &str) -> Result<SigningKey, LakeError> {
        let bad = |message: &str| LakeError::Corrupt {
            path: path.to_owned(),
            offset: 0,
            message: format!("{message}; an Ed25519 key in PKCS #8 is needed (openssl genpkey -algorithm ed25519)"),
        };
        let inside = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let (body, _) = inside.ok_or_else(|| bad("it is no PEM private key"))?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| bad("it is no base64"))?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map(SigningKey)
            .map_err(|error| bad(&error.to_string()))
    }

    fn make(disk: &dyn Disk, path: &Path) -> Result<SigningKey, LakeError> {
        let failed = |reason: String| LakeError::NotStored { reason };
        let pair = Ed25519KeyPair::generate().map_err(|error| failed(format!("no key can be made: {error}")))?;
        let der = pair
            .to_pkcs8()
            .map_err(|error| failed(format!("the key cannot be written: {error}")))?;
        let text = STANDARD.encode(der.as_ref());
        replace_file(disk, path, format!("{BEGIN}\n{text}\n{END}\n").as_bytes())?;
        restrict(path)?;
        Ok(SigningKey(pair))
    }

    pub(super) fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    pub(super) fn sign(&self, text: &[u8]) -> String {
        hex(self.0.sign(text).as_ref())
    }
}

/// Only the owner reads it.
fn restrict(path: &Path) -> Result<(), LakeError> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        // A disk that is not this machine's.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(LakeError::io("restrict", path)),
    }
}

/// Whether a public key signed a text.
pub(super) fn signed(public: &str, text: &[u8], signature: &str) -> bool {
    let (Some(public), Some(signature)) = (bytes(public), bytes(signature)) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, public).verify(text, &signature).is_ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok())
        .collect()
}
