//! What a run would do, with nothing written, nothing run and nobody asked or paid: `git otto run -n`.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, SpecId},
    baseline::take_along,
    cli::{
        Start, amended,
        amended::Version,
        approve::{self, Asking},
        difference::{self, Effect},
        prose::{self, Wish},
        rerun,
        session::{self, Choices, approved},
        source::{self, Source},
    },
    journal::{self, event::Verdict},
    spec::model::change::changes,
    store::{
        Store,
        record::{self, Phase, StoredSpec},
        run,
    },
};

/// What it would do, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Would {
    /// Ask for the approval of a draft.
    Ask,
    /// Ask for the reason of an amendment.
    Amend,
    /// Go on with a run that has not ended.
    GoOn,
    /// Start another run.
    Build,
    /// Nothing: it passed as it is.
    Nothing,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    /// The newest record of the spec; none where there is none yet.
    version: Option<Oid>,
    would: Would,
    /// The same in a sentence.
    says: String,
}

/// Tells it.
pub fn preview(start: &Start, store: &Store, source: Source, wish: &Wish, choices: &Choices) -> Result<Exit, Failure> {
    let (id, draft) = match prose::settle(start, store, source, wish)? {
        Source::Prose(_) => {
            let text = "an agent compiles prose, and -n asks none: what it would make of it is not known";
            return Err(Failure::new(Exit::Usage, text)
                .hint("git otto compile --text <prose>    (a draft, which builds nothing)"));
        }
        Source::Text(text, name, folder) => {
            let draft = source::draft(start, store, &text, &name, folder.as_deref(), wish.id.as_ref())?;
            (draft.spec.id.clone(), Some(draft))
        }
        Source::Spec(id) => (id, None),
    };
    let tip = record::tip(&store.repo, &id)?;
    let known = tip.map(|tip| record::load(&store.repo, tip)).transpose()?;
    let guessed = draft.as_ref().map(|d| d.guessed.clone()).unwrap_or_default();
    let (spec, was) = match (draft, tip) {
        (Some(draft), None) => (draft.spec, None),
        (Some(mut draft), Some(tip)) => {
            take_along(&approved(store, tip)?.0, &mut draft.spec);
            // What others amended since the person read the spec is no edit of theirs.
            (draft.spec, Some(approved(store, rerun::read_last(start, store, tip)?)?.0))
        }
        (None, Some(tip)) => (approved(store, tip)?.0, None),
        (None, None) => return Err(Failure::new(Exit::Usage, format!("there is no spec {id}")).hint("git otto status")),
    };
    session::ready(start, store, &spec, choices)?;
    let (would, says) = match known.as_ref().map(|known| known.record.kind.phase()) {
        None | Some(Phase::Draft) => {
            let asking = Asking { whom: Some(&choices.whom), ..Asking::default() };
            approve::show(start, store, &spec, guessed, &asking)?;
            (
                Would::Ask,
                "would ask whether this is what you want, and build it; the project's own commands come first".into(),
            )
        }
        Some(Phase::Closed) => {
            let text = format!("the spec {id} is closed");
            return Err(Failure::new(Exit::Refused, text).hint("start another one: git otto run --id <id> <intent>"));
        }
        Some(Phase::Approved) => match was.filter(|was| *was != spec) {
            Some(was) => {
                if !start.ui.is_json() {
                    start.ui.say(difference::text(start, &changes(&was, &spec), "  ").trim_end())?;
                }
                (Would::Amend, format!("would ask for a reason and amend {id}: {}", Effect::of(&was, &spec).sentence()))
            }
            None => as_it_is(store, known.as_ref())?,
        },
    };
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: "otto.preview/1", spec: &id, version: tip, would, says })?;
    } else {
        start.ui.answer(&format!("{says}\n"))?;
    }
    Ok(Exit::Done)
}

/// What becomes of an approved spec that nothing changes.
fn as_it_is(store: &Store, known: Option<&StoredSpec>) -> Result<(Would, String), Failure> {
    let gone = || Failure::new(Exit::Internal, "the spec is gone");
    let spec = approved(store, known.ok_or_else(gone)?.commit)?.0;
    let all = spec.slices.len();
    let Some(last) = run::newest(&store.repo, &spec.id)? else {
        return Ok((Would::Build, format!("would build all slices: {all}")));
    };
    let (at, anchor) = run::load(&store.repo, &last)?;
    let state = journal::read(&store.repo, &last, at)?.state;
    let Some(end) = &state.finished else { return Ok((Would::GoOn, format!("would go on with {last}"))) };
    let then = Version::load(store, state.spec().unwrap_or(anchor.spec_commit), anchor.limits)?.plan;
    Ok(match known.is_some_and(|known| known.commit == then.spec_commit) {
        true if end.verdict == Verdict::Passed => (Would::Nothing, "nothing changed since it passed".into()),
        true => (Would::Build, format!("would build what {last} did not bring, in a new run")),
        false => (Would::Build, amended::anew(&then, &state, &spec)),
    })
}
