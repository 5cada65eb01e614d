//! The caller's randomness in the shape that the `rsa` crate wants.

use rsa::rand_core::{CryptoRng, Error, RngCore};

/// Fills a buffer from a cryptographically secure generator.
pub(crate) type Fill<'a> = dyn FnMut(&mut [u8]) + 'a;

/// `rand_core` 0.6 over the caller's `fill`.
pub(crate) struct FillRng<'a, 'b>(pub(crate) &'a mut Fill<'b>);

impl RngCore for FillRng<'_, '_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        (self.0)(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        (self.0)(dest);
        Ok(())
    }
}

impl CryptoRng for FillRng<'_, '_> {}
