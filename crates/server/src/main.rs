//! The `symbolon` command.

use std::process::ExitCode;

/// A request costs some 170 small allocations, many of them freed by another thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    symbolon_server::cli::run()
}
