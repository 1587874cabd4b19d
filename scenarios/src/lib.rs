//! Scenarios and the planner: distributions in, plans out.
//!
//! ```text
//!  catalog/swarm.toml --parse--> Scenario + Seed + Overrides --plan--> Plan (whitewater-record) --> world
//! ```
//!
//! Open [`scenario`] first, it is what people write; then [`planner`], which throws the dice. A plan is a function of
//! (scenario, seed, overrides), and every purpose has a stream of draws of its own.
//!
//! ```
//! use whitewater_record::Seed;
//! use whitewater_scenarios::{Overrides, load, plan};
//!
//! let swarm = load("swarm").unwrap();
//! let three = Overrides { nodes: Some(3), ..Overrides::default() };
//! let plan = plan(&swarm, Seed(7), &three);
//! assert!(plan.check().is_ok());
//! assert_eq!(plan.cluster.nodes, 3);
//! ```

#![forbid(unsafe_code)]

pub mod auth;
mod calm;
pub mod catalog;
pub mod dist;
pub mod error;
pub mod fault_group;
mod faults;
pub mod leases;
pub mod locks;
pub mod operators;
pub mod pinned;
pub mod planner;
pub mod profiles;
pub mod scenario;
mod settle;
pub mod watchers;
mod weights;
mod workload;

pub use crate::{
    catalog::{catalog, load},
    error::ScenarioError,
    pinned::{Pinned, mutants, regressions},
    planner::{Overrides, plan},
    scenario::{SCENARIO_VERSION, Scenario},
};
