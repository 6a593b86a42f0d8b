//! Random secrets and their stored form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

/// 256 random bits as URL-safe text.
pub fn random() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is stored of a random secret. It has 256 bits of chance, so a fast hash is enough: there is nothing to guess.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// A password that can be read aloud and typed: 20 letters and digits without look-alikes (more than 98 bits).
pub fn one_time_password() -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let mut password = String::with_capacity(23);
    for position in 0..20 {
        if position > 0 && position % 5 == 0 {
            password.push('-');
        }
        let letter = rng.random_range(0..LETTERS.len());
        password.push(LETTERS.get(letter).copied().map_or('x', char::from));
    }
    password
}
