//! Amendments by hand, from another terminal.

use serde_json::Value;

use super::Sandbox;

impl Sandbox {
    /// Amends a spec; a program that runs it is not asked. Answers the record.
    #[track_caller]
    pub fn amend(&self, id: &str, reason: &str, change: impl FnOnce(&mut Value)) -> String {
        let name = format!("refs/otto/specs/{id}");
        let mut spec: Value = serde_json::from_str(&self.git(&["show", &format!("{name}:spec.json")])).unwrap();
        change(&mut spec);
        self.write("amended.json", spec.to_string());
        self.otto(&["amend", id, "--file", "../amended.json", "-m", reason]).exits(0);
        self.git(&["rev-parse", &name])
    }
}
