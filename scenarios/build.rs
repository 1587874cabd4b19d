//! Gathers the pinned plans, so that the program has them with it: those of deliberate bugs and those of fixed ones.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names the folder of the package")?;
    let target = env::var_os("OUT_DIR").ok_or("cargo names a folder for what is made")?;
    for folder in ["mutants", "regressions"] {
        println!("cargo:rerun-if-changed={folder}");
        let code = list(&Path::new(&root).join(folder))?;
        fs::write(Path::new(&target).join(format!("{folder}.rs")), code)?;
    }
    Ok(())
}

/// The plans of a folder as a list of name and text, in the order of names.
fn list(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
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
    Ok(code)
}
