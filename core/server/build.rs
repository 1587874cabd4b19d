//! Compiles the protocol definitions. No protoc: the compiler is a crate.

use prost::Message as _;
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["rpc.proto", "lock.proto", "election.proto", "health.proto"];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files.map(|file| format!("proto/{file}")), ["proto"])?;
    let out = env::var("OUT_DIR")?;
    // The JSON gateway reads them at run time.
    fs::write(Path::new(&out).join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(descriptors)?;
    Ok(())
}
