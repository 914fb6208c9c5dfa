//! Amendments by hand, as another terminal makes them.

use std::collections::BTreeMap;

use git_otto::{
    base::{Env, World},
    git::Repo,
    spec,
    store::{
        Store,
        record::{self, By, Content, Kind, NewRecord},
    },
};
use serde_json::Value;

use super::Sandbox;

impl Sandbox {
    /// Amends a spec: a program that runs it is not asked. Answers the record.
    #[track_caller]
    pub fn amend(&self, id: &str, reason: &str, change: impl FnOnce(&mut Value)) -> String {
        let who = ["AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"];
        let git = who.map(|what| (format!("GIT_{what}").into(), "ann@example.org".into())).into();
        let env = Env { vars: BTreeMap::new(), git, cwd: self.repo(), home: Some(self.path("home")) };
        let world = World::real(env).unwrap();
        let store = Store::new(Repo::discover(&world.env).unwrap(), world.clone());
        let id = id.parse().unwrap();
        let tip = record::tip(&store.repo, &id).unwrap();
        let stored = record::load(&store.repo, tip.unwrap()).unwrap();
        let mut value: Value = serde_json::from_slice(&stored.spec_bytes).unwrap();
        change(&mut value);
        let spec = spec::parse(value.to_string().as_bytes()).unwrap();
        let content = Content { spec: &spec::write(&spec), files: &stored.files };
        let new = NewRecord {
            kind: Kind::Amend,
            by: By::User,
            title: &spec.title,
            reason,
            trigger: None,
            tier: Some(3),
            content: Some(content),
            cost: None,
            merges: None,
        };
        record::append(&store, &id, new, tip).unwrap().commit.to_string()
    }
}
