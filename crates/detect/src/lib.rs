//! Detection: rules in, alerts and incidents out.
//!
//! A rule is Microsoft Sentinel's analytics-rule YAML with a KQL query ([`rule`]). [`evaluate`] runs one rule over one set of tables; [`scan`]
//! all rules over files, for the command line and for rule tests; [`detector`] runs them beside a lake as rows become durable and on
//! their schedules. Knows nothing of how people are notified and nothing of HTTP.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod alert;
pub mod backtest;
mod candidates;
pub mod coverage;
pub mod detector;
pub mod entity;
pub mod evaluate;
pub mod finding;
pub mod ledger;
pub mod lint;
mod overlay;
mod record;
mod rows;
pub mod rule;
pub mod rule_test;
pub mod ruleset;
pub mod scan;
pub mod sigma;
pub mod stream;
mod tables;
#[cfg(test)]
mod tests;

pub use detector::{ActiveRule, DetectError, Detector};
pub use rule::{Kind, Rule, Severity};
pub use ruleset::{LoadedRule, RuleError, RuleSet};
