//! The pages of docs/ that are written from the code say what the code says.

use std::{fs, path::Path};
use whitewater_record::trace::schema;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_page_on_traces_lists_every_event_as_the_code_has_it() {
    let page = page("trace.md");
    let (text, table) = page.split_once("## Events\n\n").unwrap();
    let wanted = schema::markdown();
    let anew = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace.md");
    fs::write(&anew, format!("{text}## Events\n\n{wanted}")).unwrap();
    assert_eq!(table, wanted, "the events have changed: cp {} docs/trace.md", anew.display());
}
