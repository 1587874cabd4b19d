//! Gathers the pinned plans of deliberate bugs, so that the program knows who is expected to object to each.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names the folder of the package")?;
    let target = env::var_os("OUT_DIR").ok_or("cargo names a folder for what is made")?;
    println!("cargo:rerun-if-changed=mutants");
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(&root).join("mutants"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut code = "&[\n".to_owned();
    for path in files {
        let name =
            path.file_stem().and_then(|name| name.to_str()).ok_or("plans have plain names")?;
        let path = path.to_str().ok_or("the folder of the package has a plain name")?;
        writeln!(code, "    ({name:?}, include_str!({path:?})),")?;
    }
    code.push_str("]\n");
    Ok(fs::write(Path::new(&target).join("mutants.rs"), code)?)
}
