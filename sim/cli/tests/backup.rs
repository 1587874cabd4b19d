//! A user's backup, as what simulated clusters begin with.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use whitewater_api::{Request, request::PutRequest};
use whitewater_mutation::Mutations;
use whitewater_replica::write_backup;
use whitewater_store::Store;

fn whitewater(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_whitewater")).args(arguments).output().unwrap()
}

/// An empty folder with a backup in it, of so many keys.
fn folder(name: &str, keys: u32) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).unwrap();
    let file = path.join("backup.db");
    write(&file, keys);
    (path, file.display().to_string())
}

fn write(file: &Path, keys: u32) {
    let mut store = Store::new(Mutations::none());
    for key in 0..keys {
        let put = PutRequest::new(format!("/registry/{key}"), "x".repeat(100));
        store.apply(&Request::Put(put)).unwrap();
    }
    fs::write(file, write_backup(&mut store)).unwrap();
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn sim_clusters_begin_with_the_backup_of_a_user() {
    let (folder, file) = folder("backup", 300);
    let out = folder.join("out").display().to_string();
    let run = |more: &[&str]| {
        let campaign = ["run", "backup_restore", "--seeds", "4", "--backup", &file, "--out", &out];
        whitewater(&[&campaign[..], more].concat())
    };
    let ran = run(&["--no-regressions"]);
    let said = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{said}{}", text(&ran.stderr));
    let row = said.lines().find(|line| line.trim_start().starts_with("bystanders")).unwrap();
    let numbers = row.split_whitespace().skip(1).map(|number| number.parse::<u64>().unwrap());
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        [8, 4],
        "two ranges a seed, one of them with keys: {said}"
    );
    // What was begun with one backup does not go on with another.
    write(Path::new(&file), 301);
    let other = run(&["--no-regressions", "--resume"]);
    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
}

#[test]
fn sim_a_plan_is_played_with_its_own_backup_or_not_at_all() {
    let (folder, file) = folder("backup-of-a-plan", 30);
    let plan = folder.join("plan.toml").display().to_string();
    let planned = whitewater(&["plan", "quiet", "--seed", "1", "--backup", &file]);
    fs::write(&plan, &planned.stdout).unwrap();
    let replay = || {
        let output = whitewater(&["replay", &plan]);
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(replay().0, Some(0));
    write(Path::new(&file), 31);
    let (code, said) = replay();
    assert_eq!(code, Some(2));
    assert!(said.contains("SHA-256") && said.contains("[cluster]"), "{said}");
    fs::write(&file, "no backup").unwrap();
    let refused = whitewater(&["run", "quiet", "--backup", &file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("etcdctl snapshot save"), "{}", text(&refused.stderr));
    fs::remove_file(&file).unwrap();
    let (code, said) = replay();
    assert_eq!(code, Some(2));
    assert!(said.contains("backup.db: the backup to begin with: No such file"), "{said}");
}
