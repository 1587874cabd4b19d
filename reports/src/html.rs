//! Pages of a campaign: one file each, which opens from disk, offline, with scripts off. Charts are inline SVG.

pub mod campaign;
pub mod chart;
pub mod index;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

/// Fills a template. Everything but charts is escaped: keys and values are hostile input.
fn render(template: &str, page: &impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_global("style", include_str!("../templates/style.css"));
    environment.render_str(template, page).expect("the templates are part of the program")
}
