//! A task for tests that call agents themselves.

use std::path::PathBuf;

use git_otto::agent::{Product, Role, TASK_SCHEMA, Task};

/// The first attempt at a slice `store` that says nothing of itself, to be made in a folder.
pub fn task(workspace: PathBuf) -> Task {
    Task {
        schema: TASK_SCHEMA,
        role: Role::Build,
        slice: "store".parse().unwrap(),
        title: "t".into(),
        attempt: 1,
        product: Product { title: "t".into(), intent: "i".into(), kind: "cli".into() },
        requirements: Default::default(),
        tasks: vec![],
        owned_paths: vec![],
        shared_scaffold: vec![],
        checks: Default::default(),
        green_on_base: vec![],
        failures: vec![],
        hint: None,
        conflicts: vec![],
        contract: None,
        needs: Vec::new(),
        granted: Vec::new(),
        contracts: vec![],
        workspace,
        blocks: vec![],
    }
}
