//! Passwords: argon2id with the parameters OWASP's password storage cheat sheet names first (19 MiB, two passes, one lane).

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::Rng as _;

use crate::StateError;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

fn argon2() -> Result<Argon2<'static>, StateError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| StateError::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes on a blocking thread: it takes tens of milliseconds on purpose.
pub async fn hash(password: String) -> Result<String, StateError> {
    blocking(move || {
        let salt: [u8; 16] = rand::rng().random();
        let salt = SaltString::encode_b64(&salt).map_err(|error| StateError::Hash(error.to_string()))?;
        let hash = argon2()?
            .hash_password(password.as_bytes(), &salt)
            .map_err(|error| StateError::Hash(error.to_string()))?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether the password is the one; with no hash to compare (no such user) the same time is spent.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, StateError> {
    blocking(move || {
        let Some(hash) = hash else {
            let salt = SaltString::encode_b64(&[0; 16]).map_err(|error| StateError::Hash(error.to_string()))?;
            // The result does not matter, only that it takes as long.
            let _ = argon2()?.hash_password(password.as_bytes(), &salt);
            return Ok(false);
        };
        let parsed = PasswordHash::new(&hash).map_err(|error| StateError::Corrupt {
            what: "password hash",
            reason: error.to_string(),
        })?;
        Ok(argon2()?.verify_password(password.as_bytes(), &parsed).is_ok())
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StateError> + Send + 'static) -> Result<T, StateError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StateError::Hash(error.to_string()))?
}
