//! What the expression of an invariant sees: data that was collected before, and nothing else.

use serde_json::{Map, Value, json};

use super::{Round, Site, stage::Stage};
use crate::{
    base::{Exit, Failure, Oid},
    checks::{
        self,
        model::{Cause, Check, CheckKind, Outcome},
    },
    git::{BStr, Mode},
};

/// The largest file whose text is a fact, bytes.
const MAX_TEXT: u64 = 64 << 10;
/// All texts together, bytes.
const MAX_TEXTS: u64 = 4 << 20;
/// How many files are facts.
const MAX_FILES: usize = 20_000;

impl Site {
    /// An invariant of a round; `stage` has what services have answered so far.
    pub(super) async fn invariant(
        &self,
        round: &Round<'_>,
        check: &Check,
        stage: Option<&Stage>,
    ) -> Result<Outcome, Failure> {
        let CheckKind::StateInvariant { expression, .. } = &check.kind else {
            return Err(Failure::new(Exit::Internal, format!("the check {} is no invariant", check.id)));
        };
        let facts = self.facts(round, expression, stage)?;
        let mut outcome = checks::judge(&self.world, check, round.tree, facts).await;
        // What is said of answers cannot be evaluated where there were none: it is as red as the request that got none.
        let served = stage.and_then(|stage| stage.served.as_ref().ok()).filter(|_| expression.contains("http"));
        let evidence = &mut outcome.evidence;
        if let Some((id, cause)) = served.and_then(|served| served.unanswered(expression))
            && evidence.cause == Cause::Unknown
        {
            evidence.cause = cause;
            evidence.detail = format!("`{id}` was not answered; {}", evidence.detail);
        }
        Ok(outcome)
    }

    /// The facts that an expression names.
    fn facts(&self, round: &Round<'_>, expression: &str, stage: Option<&Stage>) -> Result<Map<String, Value>, Failure> {
        let mut facts = Map::new();
        let wanted = |name: &str| expression.contains(name);
        if wanted("files") {
            facts.insert("files".into(), Value::Object(self.files(round.tree)?));
        }
        if wanted("spec") {
            facts.insert("spec".into(), Value::clone(&self.spec));
        }
        if let Some(base) = self.base.filter(|_| wanted("diff")) {
            facts.insert("diff".into(), self.diff(base, round.tree)?);
        }
        if wanted("http") {
            let answers = stage.and_then(|stage| stage.served.as_ref().ok()).map(|served| served.answers().clone());
            facts.insert("http".into(), Value::Object(answers.unwrap_or_default()));
        }
        Ok(facts)
    }

    /// Every file by its path: its size in bytes, whether it can be executed, and its text where it is short and one.
    fn files(&self, tree: Oid) -> Result<Map<String, Value>, Failure> {
        let (mut out, mut texts) = (Map::new(), 0);
        for entry in self.repo().tree_entries(tree)?.into_iter().take(MAX_FILES) {
            let Some(path) = utf8(entry.path.as_ref()) else { continue };
            if entry.mode == Mode::Submodule {
                continue;
            }
            let (_, size) = self.repo().object_header(entry.oid)?;
            let mut file = json!({"size": size, "executable": entry.mode == Mode::Executable});
            if size <= MAX_TEXT && texts + size <= MAX_TEXTS && entry.mode != Mode::Symlink {
                let text = String::from_utf8(self.repo().read_blob(entry.oid, MAX_TEXT)?).ok();
                if let (Some(text), Some(file)) = (text.filter(|text| !text.contains('\0')), file.as_object_mut()) {
                    texts += size;
                    file.insert("text".into(), Value::String(text));
                }
            }
            out.insert(path, file);
        }
        Ok(out)
    }

    /// The paths by which a tree differs from the one where the run began.
    fn diff(&self, base: Oid, tree: Oid) -> Result<Value, Failure> {
        let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for change in self.repo().diff_trees(base, tree)?.into_iter().take(MAX_FILES) {
            let Some(path) = utf8(change.path.as_ref()) else { continue };
            match (change.old, change.new) {
                (None, _) => added.push(path),
                (_, None) => removed.push(path),
                _ => changed.push(path),
            }
        }
        Ok(json!({"added": added, "removed": removed, "changed": changed}))
    }
}

fn utf8(path: &BStr) -> Option<String> {
    String::from_utf8(path.to_vec()).ok()
}
