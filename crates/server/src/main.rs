//! The `symbolon` command.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests make many small allocations, and this allocator serves them in less time than the system's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    symbolon_server::cli::run()
}
