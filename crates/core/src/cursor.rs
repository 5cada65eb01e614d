//! Page cursors: opaque, authenticated, and good for the one list they were made for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::{ServerSecret, keyed_hash};

/// Makes and checks cursors under a server secret of [`crate::secret::SecretPurpose::Cursor`].
#[derive(Clone)]
pub struct Cursors {
    key: Zeroizing<[u8; 32]>,
}

const MAC_BYTES: usize = 16;
const MAX_BYTES: usize = 1024;

impl Cursors {
    /// Cursors under one secret.
    pub fn new(secret: &ServerSecret) -> Self {
        Self {
            key: secret.key.clone(),
        }
    }

    /// A cursor that continues `list` behind `position`.
    pub fn seal(&self, list: &str, position: &str) -> String {
        let mut bytes = self.mac(list, position.as_bytes()).to_vec();
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position in a cursor of `list`.
    ///
    /// # Errors
    /// [`CursorError`] for anything that [`Cursors::seal`] did not make for this list.
    pub fn open(&self, list: &str, cursor: &str) -> Result<String, CursorError> {
        if cursor.len() > MAX_BYTES {
            return Err(CursorError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError)?;
        let (mac, position) = bytes.split_at_checked(MAC_BYTES).ok_or(CursorError)?;
        if !bool::from(self.mac(list, position).ct_eq(mac)) {
            return Err(CursorError);
        }
        String::from_utf8(position.to_vec()).map_err(|_| CursorError)
    }

    /// A digest that only this server can make, for what is kept to be recognised and must not be guessed from it.
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut all = vec![b"digest" as &[u8], purpose.as_bytes()];
        all.extend(parts);
        keyed_hash(&self.key, &all)
    }

    fn mac(&self, list: &str, position: &[u8]) -> [u8; MAC_BYTES] {
        let mut short = [0; MAC_BYTES];
        short.copy_from_slice(&keyed_hash(&self.key, &[list.as_bytes(), position])[..MAC_BYTES]);
        short
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

/// The cursor was not made by this server for this list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the cursor is not one that this list gave out: start again without it")]
pub struct CursorError;

#[cfg(test)]
mod tests {
    use symbolon_oauth_types::UnixMillis;

    use super::*;

    fn cursors(byte: u8) -> Cursors {
        Cursors::new(&ServerSecret {
            id: 1,
            active_from: UnixMillis(0),
            key: Zeroizing::new([byte; 32]),
        })
    }

    #[test]
    fn opens_only_what_was_made_for_the_list() {
        let cursor = cursors(1).seal("users", "alice");
        assert_eq!(cursors(1).open("users", &cursor).unwrap(), "alice");
        assert_eq!(cursors(1).open("clients", &cursor), Err(CursorError));
        assert_eq!(cursors(2).open("users", &cursor), Err(CursorError));
        let forged = URL_SAFE_NO_PAD.encode("0123456789abcdef' OR 1=1 --");
        for bad in [
            "",
            "'; DROP TABLE users",
            &forged,
            &cursor[1..],
            &"A".repeat(2000),
        ] {
            assert_eq!(cursors(1).open("users", bad), Err(CursorError));
        }
    }
}
