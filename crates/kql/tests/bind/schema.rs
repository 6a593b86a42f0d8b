//! Tables for tests.

use std::collections::BTreeMap;

use taffrail_kql::Type;
use taffrail_kql::catalog::{Entity, Schema};

/// Tables, views and functions by name.
#[derive(Default)]
pub struct TestSchema(pub BTreeMap<String, Entity>);

impl TestSchema {
    /// The tables that the `.txt` tests query.
    pub fn standard() -> TestSchema {
        let table = |columns: &[(&str, Type)]| Entity::Table {
            columns: columns.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect(),
        };
        let mut entities = BTreeMap::new();
        entities.insert(
            "Audit".to_owned(),
            table(&[
                ("TimeGenerated", Type::DateTime),
                ("Verb", Type::String),
                ("User", Type::Dynamic),
                ("Log", Type::String),
                ("Code", Type::Int),
                ("Size", Type::Long),
                ("_TimeReceived", Type::DateTime),
            ]),
        );
        entities.insert(
            "Alerts".to_owned(),
            table(&[
                ("TimeGenerated", Type::DateTime),
                ("Name", Type::String),
                ("Code", Type::Long),
                ("_TimeReceived", Type::DateTime),
            ]),
        );
        entities.insert(
            "AzureDiagnostics".to_owned(),
            table(&[("Category", Type::String), ("log_s", Type::String)]),
        );
        entities.insert(
            "KubernetesPodInventory".to_owned(),
            table(&[("PodName", Type::String), ("Pod", Type::Dynamic)]),
        );
        entities.insert(
            "Deletes".to_owned(),
            Entity::View {
                query: "Audit | where Verb == 'delete' | project TimeGenerated, Verb, Who = tostring(User.username)".to_owned(),
            },
        );
        entities.insert(
            "Loop".to_owned(),
            Entity::View {
                query: "Loop | take 1".to_owned(),
            },
        );
        entities.insert(
            "ByVerb".to_owned(),
            Entity::Function {
                parameters: "(verb: string, least: long = 1)".to_owned(),
                body: "Audit | where Verb == verb | summarize n = count() by Verb | where n >= least".to_owned(),
            },
        );
        entities.insert(
            "Double".to_owned(),
            Entity::Function {
                parameters: "(x: long)".to_owned(),
                body: "x * 2".to_owned(),
            },
        );
        TestSchema(entities)
    }
}

impl Schema for TestSchema {
    fn entity(&self, name: &str) -> Option<Entity> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
