//! A person as the agent of an attempt: they are told where to work and what is to be done, and hand it in when it is.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::{Build, Ground};
use crate::{
    agent::{Event, Outcome, Task},
    base::{Failure, Oid, SliceId},
    gate,
    git::Part,
    workspace::{self, Attempt, Workspace},
};

/// Where attempts wait for what people hand in.
#[derive(Debug, Default)]
pub struct Desk(Mutex<BTreeMap<SliceId, oneshot::Sender<String>>>);

impl Desk {
    /// Hands in what somebody wrote at a slice, with what they say of it. False where nobody waits for it.
    pub fn hand_in(&self, slice: &SliceId, note: String) -> bool {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(slice);
        waits.is_some_and(|waits| waits.send(note).is_ok())
    }

    /// Waits for it.
    async fn wait(&self, slice: &SliceId) -> Option<String> {
        let (hand, taken) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(slice.clone(), hand);
        taken.await.ok()
    }
}

impl Build<'_> {
    /// The workspace of an attempt: a new one, or the one that a person works in, where that is on the same commit. From
    /// any other what they had written is kept before it goes. And whether it is a new one.
    pub(super) fn workspace(
        &self,
        of: &Attempt,
        ground: &Ground<'_>,
        tree: Oid,
        by_hand: bool,
        part: Option<Part>,
    ) -> Result<(Workspace, bool), Failure> {
        let (site, repo) = (&self.gate.site, self.gate.repo());
        let theirs = workspace::left(repo, &site.root)?.into_iter().find(|l| l.is_theirs() && l.of.slice == of.slice);
        if let Some(theirs) = theirs {
            if by_hand && theirs.of.r#gen == of.r#gen && theirs.base == ground.base {
                return Ok((theirs.workspace, false));
            }
            let found = theirs.workspace.snapshot(repo, &self.slice.owned_paths);
            let whose = gate::Owner { of: &theirs.of, base: theirs.base, literate: false };
            gate::put_away(&site.store, &self.gate.run, whose, theirs.workspace, found)?;
        }
        let workspace = Workspace::create_part(repo, &site.world, &site.root, of, (ground.base, tree), part)?;
        if by_hand {
            // From its first moment on it is not swept.
            workspace.hand_over(of, ground.base, "")?;
        }
        Ok((workspace, true))
    }

    /// Tells a person what is to be done, and waits until they hand it in, however long that takes.
    pub(super) async fn wait(
        &self,
        workspace: &Workspace,
        (of, base): (&Attempt, Oid),
        task: &Task,
        prompt: &str,
    ) -> Result<Outcome, Failure> {
        let slice = &self.slice.id;
        let (dir, text) = workspace::theirs(&self.gate.site.root, slice);
        let (dir, text) = (dir.display(), text.display());
        let head = format!(
            "You are asked to build the slice `{slice}` by hand, attempt {}.\n\nWork in {dir}\nand when it is done: git \
             otto submit {slice}\n\nWhat follows is what an agent would be told.\n\n---\n\n",
            task.attempt,
        );
        workspace.hand_over(of, base, &format!("{head}{prompt}"))?;
        for what in [
            format!("for you, in {dir}"),
            format!("for you; what is to be done: {text}"),
            format!("for you; when it is done: git otto submit {slice}"),
        ] {
            (self.live)(slice, &Event::Waiting(what));
        }
        Ok(match self.desk.wait(slice).await {
            Some(note) if note.is_empty() => Outcome::done("handed in"),
            Some(note) => Outcome::done(note),
            None => Outcome::failed("another attempt at the slice waits in its place"),
        })
    }
}
