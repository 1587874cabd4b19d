//! `whitewater-server`: see `--help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;
use whitewater_server::{
    VERSION,
    backup::{self, BackupError},
    flags::Flags,
    server,
};

/// The system's allocator costs a tenth of a small request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes, as the simulator's command has them.
const USAGE: u8 = 2;
const INTERNAL: u8 = 70;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what a command is for")]
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("snapshot") {
        return match backup::run(std::env::args().skip(1)) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(BackupError::Flags(error)) => error.exit(),
            Err(error) => {
                eprintln!("whitewater-server: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let flags = match Flags::read(std::env::args()) {
        Ok(flags) => flags,
        Err(error) => error.exit(),
    };
    if flags.version {
        println!("etcd Version: {VERSION}\nWhitewater Version: {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let filter = format!("whitewater_server={}", flags.log_level);
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let settings = match flags.settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("whitewater-server: {error}");
            return ExitCode::from(USAGE);
        }
    };
    // One thread for all members: with more, each message that comes would wake a second one, to wait in place of the first.
    let runtime = match Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("whitewater-server: no threads: {error}");
            return ExitCode::from(INTERNAL);
        }
    };
    match runtime.block_on(server::run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whitewater-server: {error}");
            ExitCode::FAILURE
        }
    }
}
