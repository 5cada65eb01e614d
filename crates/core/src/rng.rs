//! Randomness as an argument.

/// The source of randomness for ids, secrets and salts.
pub trait Rng: Send + Sync {
    /// Fills `dest` with bytes that nobody can guess.
    fn fill(&self, dest: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where ambient randomness becomes an argument"
    )]
    #[expect(
        clippy::expect_used,
        reason = "without randomness nothing that follows would be safe"
    )]
    fn fill(&self, dest: &mut [u8]) {
        getrandom::fill(dest).expect("the operating system gives random bytes");
    }
}
