//! The scenarios that come with the program.

use crate::{error::ScenarioError, scenario::Scenario};

/// Name and text of each, the default one first.
const CATALOG: [(&str, &str); 38] = [
    ("swarm", include_str!("../catalog/swarm.toml")),
    ("partition_leader", include_str!("../catalog/partition_leader.toml")),
    ("isolate_and_return", include_str!("../catalog/isolate_and_return.toml")),
    ("power_loss", include_str!("../catalog/power_loss.toml")),
    ("slow_disk", include_str!("../catalog/slow_disk.toml")),
    ("clock_skew", include_str!("../catalog/clock_skew.toml")),
    ("membership_churn", include_str!("../catalog/membership_churn.toml")),
    ("slow_follower_snapshot", include_str!("../catalog/slow_follower_snapshot.toml")),
    ("rolling_restart", include_str!("../catalog/rolling_restart.toml")),
    ("watchers", include_str!("../catalog/watchers.toml")),
    ("register", include_str!("../catalog/register.toml")),
    ("set", include_str!("../catalog/set.toml")),
    ("append", include_str!("../catalog/append.toml")),
    ("txn_compare", include_str!("../catalog/txn_compare.toml")),
    ("lease_holders", include_str!("../catalog/lease_holders.toml")),
    ("locks", include_str!("../catalog/locks.toml")),
    ("elections", include_str!("../catalog/elections.toml")),
    ("mirrors", include_str!("../catalog/mirrors.toml")),
    ("kubernetes", include_str!("../catalog/kubernetes.toml")),
    ("scale", include_str!("../catalog/scale.toml")),
    ("rolling_replacement", include_str!("../catalog/rolling_replacement.toml")),
    ("sleepers", include_str!("../catalog/sleepers.toml")),
    ("zone_loss", include_str!("../catalog/zone_loss.toml")),
    ("any_order", include_str!("../catalog/any_order.toml")),
    ("narrow_links", include_str!("../catalog/narrow_links.toml")),
    ("rolling_upgrade", include_str!("../catalog/rolling_upgrade.toml")),
    ("noisy_links", include_str!("../catalog/noisy_links.toml")),
    ("short_memory", include_str!("../catalog/short_memory.toml")),
    ("flaky_clients", include_str!("../catalog/flaky_clients.toml")),
    ("damaged_disks", include_str!("../catalog/damaged_disks.toml")),
    ("lying_sync", include_str!("../catalog/lying_sync.toml")),
    ("maintenance", include_str!("../catalog/maintenance.toml")),
    ("quota", include_str!("../catalog/quota.toml")),
    ("auth", include_str!("../catalog/auth.toml")),
    ("backup_restore", include_str!("../catalog/backup_restore.toml")),
    ("operators", include_str!("../catalog/operators.toml")),
    ("everything", include_str!("../catalog/everything.toml")),
    ("quiet", include_str!("../catalog/quiet.toml")),
];

/// Name and text of each scenario of the catalogue; the first is the default.
pub fn catalog() -> impl Iterator<Item = (&'static str, &'static str)> {
    CATALOG.into_iter()
}

/// The scenario of the catalogue with this name. Files are read by whoever may read files, and given to
/// [`Scenario::parse`].
pub fn load(name: &str) -> Result<Scenario, ScenarioError> {
    let Some((name, text)) = catalog().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = catalog().map(|(name, _)| name).collect();
        return Err(ScenarioError::Unknown { name: name.to_owned(), known: known.join(", ") });
    };
    Scenario::parse(&format!("scenarios/catalog/{name}.toml"), text)
}
