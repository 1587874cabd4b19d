//! Every pinned plan of a fixed bug plays clean.

use std::{fs, path::Path, process::Command};

#[test]
fn sim_every_pinned_plan_of_a_fixed_bug_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/regressions");
    let entries = fs::read_dir(&folder).expect("the folder is in the repository");
    let mut plans: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    plans.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    plans.sort();
    assert!(plans.len() >= 2, "the pinned plans are gone: {plans:?}");
    for plan in plans {
        let output = Command::new(env!("CARGO_BIN_EXE_whitewater"))
            .arg("replay")
            .arg(&plan)
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}: {text}", plan.display());
    }
}
