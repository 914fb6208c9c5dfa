//! The one door through which a written spec changes: edits of a draft, amendments of what was approved, by persons and by
//! agents. It says no for every reason at once, and what it lets through is stored as one record.

use std::collections::BTreeMap;

use super::{
    digest,
    model::{
        Spec,
        merge::{self, Conflict, Side},
        tier::{self, Code, Rejection, Tier},
    },
    parse, write,
};
use crate::{
    base::{Exit, Failure, Oid, Sha256, SliceId, SpecId, Timestamp},
    git::Repo,
    store::{
        self, Store,
        record::{self, By, Content, Kind, NewRecord, Phase, StoredSpec},
    },
};

/// What somebody wants of a spec.
pub struct Wish<'a> {
    /// Which.
    pub spec: &'a SpecId,
    /// The record that its author read.
    pub base: Oid,
    /// What it is to become.
    pub after: Spec,
    /// Contents that it names, as far as its base has them not.
    pub files: BTreeMap<Sha256, Vec<u8>>,
    /// An edit, an amendment, or a retirement.
    pub kind: Kind,
    /// Who.
    pub author: Author<'a>,
    /// Why; an edit needs no reason.
    pub reason: String,
}

/// Who changes a spec.
#[derive(Clone, Copy)]
pub enum Author<'a> {
    /// A person.
    User {
        /// Whether they said that they change the intent on purpose.
        override_intent: bool,
    },
    /// An agent that builds a slice.
    Agent {
        /// Such as `claude`.
        provider: &'a str,
        /// Such as `opus`.
        model: &'a str,
        /// The slice that it builds.
        slice: &'a SliceId,
        /// The event that it answers.
        trigger: Option<&'a str>,
        /// Whether the run's journal has that event, of that slice.
        exists: &'a dyn Fn(&str) -> bool,
    },
}

/// What came of looking at a wish.
pub enum Judged<'a> {
    /// The spec says so already: the record that does.
    Unchanged(Oid),
    /// It may be stored.
    Fit(Box<Fit<'a>>),
}

/// A change that may be stored, as it stands on the current record.
pub struct Fit<'a> {
    /// The spec before it.
    pub before: Spec,
    /// The spec after it.
    pub after: Spec,
    /// What kind of field it touches; none for an edit.
    pub tier: Option<Tier>,
    /// The record that came after the one that its author read, where both changes go together.
    pub joined: Option<Oid>,
    base: Oid,
    files: BTreeMap<Sha256, Vec<u8>>,
    wish: Wish<'a>,
}

/// Why a spec does not change.
#[derive(Debug)]
pub enum Refused {
    /// The change breaks rules.
    Rejected(Vec<Rejection>),
    /// The spec stands where no such change can follow.
    Phase(Failure),
    /// The store's own trouble.
    Store(store::Error),
}

impl From<store::Error> for Refused {
    fn from(e: store::Error) -> Refused {
        Refused::Store(e)
    }
}

impl From<Rejection> for Refused {
    fn from(one: Rejection) -> Refused {
        Refused::Rejected(vec![one])
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        match refused {
            Refused::Store(e) => e.into(),
            Refused::Phase(failure) => failure,
            Refused::Rejected(list) => {
                let mut all = list.into_iter();
                let first = all.next().map(Failure::from).unwrap_or_else(|| Failure::new(Exit::Invalid, "refused"));
                Failure { causes: all.map(|r| r.to_string()).collect(), ..first }
            }
        }
    }
}

/// Holds a wish against the spec's current record: nothing is written yet.
pub fn judge<'a>(repo: &Repo, mut wish: Wish<'a>) -> Result<Judged<'a>, Refused> {
    let id = wish.spec;
    let missing = || Failure::new(Exit::Usage, format!("there is no spec {id} here")).hint("git otto status");
    let tip = record::tip(repo, id)?.ok_or_else(|| Refused::Phase(missing()))?;
    if let Some(first) = record::verify(repo, id, tip).into_iter().next() {
        let what = format!("the record {}: {}", first.commit.short(), first.message);
        return Err(Rejection::chain_broken(id, &what).into());
    }
    let current = record::load(repo, tip)?;
    let before = spec_of(&current)?;
    let based = match wish.base == tip {
        true => current.clone(),
        false if record::history(repo, tip)?.iter().any(|step| step.commit == wish.base) => {
            record::load(repo, wish.base)?
        }
        false => {
            let message = format!("{} is no version of {id}, so that nobody can tell what changed", wish.base.short());
            return Err(Rejection::stale_base(id, "", message).into());
        }
    };
    if digest(&wish.after) != current.record.after {
        follows(&wish, &current, &based)?;
        if wish.base != tip {
            wish.after = join(&based, &before, &wish, &current)?;
        }
    }
    if digest(&wish.after) == current.record.after {
        return match wish.author {
            Author::User { .. } => Ok(Judged::Unchanged(tip)),
            Author::Agent { .. } => Err(Rejection::no_change(id).into()),
        };
    }

    parse(&write(&wish.after)).map_err(|errors| {
        Refused::Rejected(errors.iter().map(|e| Rejection::invalid_field(&e.pointer, &e.message)).collect())
    })?;
    let mut rejected = Vec::new();
    let files = contents(&wish.after, [&wish.files, &current.files, &based.files], &mut rejected);
    let tier = match wish.kind {
        Kind::Edit => None,
        _ => {
            if wish.reason.trim().is_empty() {
                let message = "an amendment says why, and this gives no reason";
                rejected.push(Rejection::new(Code::InvalidField, "reason", message, "the same again with -m <reason>"));
            }
            match tier::judge(&before, &wish.after, wish.author.for_tier()) {
                Ok(tier) => Some(tier),
                Err(more) => {
                    rejected.extend(more);
                    None
                }
            }
        }
    };
    if let Author::Agent { trigger: Some(trigger), exists, .. } = wish.author
        && !trigger.trim().is_empty()
        && !exists(trigger)
    {
        rejected.push(Rejection::trigger_not_found(id, trigger));
    }
    if !rejected.is_empty() {
        return Err(Refused::Rejected(rejected));
    }
    let joined = (wish.base != tip).then_some(tip);
    Ok(Judged::Fit(Box::new(Fit { before, after: wish.after.clone(), tier, joined, base: tip, files, wish })))
}

impl Fit<'_> {
    /// Stores it as one record. Whoever was faster wins.
    pub fn append(&self, store: &Store) -> Result<Oid, Refused> {
        let bytes = write(&self.after);
        let wish = &self.wish;
        let (by, trigger) = match wish.author {
            Author::User { .. } => (By::User, None),
            Author::Agent { provider, model, trigger, .. } => {
                (By::Agent { provider: provider.into(), model: model.into() }, trigger)
            }
        };
        let new = NewRecord {
            kind: wish.kind,
            by,
            title: &self.after.title,
            reason: &wish.reason,
            trigger,
            tier: self.tier.map(Tier::number),
            content: Some(Content { spec: &bytes, files: &self.files }),
            cost: None,
            merges: None,
        };
        match record::append(store, wish.spec, new, Some(self.base)) {
            Ok(appended) => Ok(appended.commit),
            Err(e @ store::Error::Moved { .. }) => Err(Rejection::stale_base(wish.spec, "", e.to_string()).into()),
            Err(e) => Err(e.into()),
        }
    }
}

impl<'a> Author<'a> {
    fn for_tier(self) -> tier::Author<'a> {
        match self {
            Author::User { override_intent } => tier::Author::User { override_intent },
            Author::Agent { slice, trigger, .. } => tier::Author::Agent { slice: Some(slice), trigger },
        }
    }
}

/// Joins what is wanted with what was recorded since its author read the spec, or says who changed what.
fn join(based: &StoredSpec, theirs: &Spec, wish: &Wish<'_>, current: &StoredSpec) -> Result<Spec, Refused> {
    merge::merge(&spec_of(based)?, &wish.after, theirs).map_err(|conflicts| {
        let r = &current.record;
        let at = Timestamp::from_secs(r.time.secs).human();
        let head =
            format!("{} did {} at {at} ({}) after what you read", r.actor, r.kind.word(), current.commit.short());
        let head = Rejection::stale_base(wish.spec, "", format!("{head} ({})", wish.base.short()));
        let told = conflicts.iter().flat_map(|conflict| {
            let side = |who: &str, side: Side| {
                let said = conflict.said(side);
                (!said.is_empty()).then(|| format!("{who}: {}", said.join("; ")))
            };
            let sides = match conflict {
                Conflict::Piece(_) => [side("theirs", Side::Theirs), side("yours", Side::Ours)],
                Conflict::Whole(_) => [Some("neither side breaks it alone".to_owned()), None],
            };
            sides.into_iter().flatten().map(|text| Rejection::stale_base(wish.spec, conflict.head(), text))
        });
        Refused::Rejected([head].into_iter().chain(told).collect())
    })
}

/// Whether that kind of record may follow where the spec stands.
fn follows(wish: &Wish<'_>, current: &StoredSpec, based: &StoredSpec) -> Result<(), Refused> {
    let (id, kind) = (wish.spec, wish.kind);
    let phase = |s: &StoredSpec| s.record.kind.phase();
    let told = |text: String, hint: String| Err(Refused::Phase(Failure::new(Exit::Refused, text).hint(hint)));
    match (phase(current), kind) {
        (Phase::Draft, Kind::Edit) | (Phase::Approved, Kind::Amend | Kind::Retire) => Ok(()),
        (Phase::Draft, _) => told(
            format!("the spec {id} is a draft: nothing was approved that could be amended"),
            format!("git otto edit {id}    (or git otto approve {id})"),
        ),
        (Phase::Approved, _) if phase(based) == Phase::Draft => {
            let word = if current.record.kind == Kind::Approve { "approved" } else { "amended" };
            let who = format!("{} {word} the spec {id} while you edited its draft", current.record.actor);
            let hint = format!("make the edit again as an amendment: git otto amend {id} -m <reason> …");
            told(format!("{who}; an approved spec changes by amendment only"), hint)
        }
        (Phase::Approved, _) => told(
            format!("the spec {id} is approved, and changes by amendment only"),
            format!("git otto amend {id} -m <reason> …"),
        ),
        (Phase::Closed, _) => told(
            format!("the spec {id} is closed: it is finished, and does not change any more"),
            "git otto run --id <another id> <intent>".into(),
        ),
    }
}

/// The spec of a stored record, as this version understands it.
fn spec_of(stored: &StoredSpec) -> Result<Spec, Refused> {
    parse(&stored.spec_bytes).map_err(|errors| {
        Refused::Rejected(errors.iter().map(|e| Rejection::invalid_field(&e.pointer, &e.message)).collect())
    })
}

/// The contents that a spec names, each from the first that has it.
fn contents(
    spec: &Spec,
    from: [&BTreeMap<Sha256, Vec<u8>>; 3],
    rejected: &mut Vec<Rejection>,
) -> BTreeMap<Sha256, Vec<u8>> {
    let blocks = spec.files.iter().map(|f| (f.sha256, format!("file `{}` of slice `{}`", f.path, f.slice)));
    let judges = spec.checks().flat_map(|(_, check)| {
        check.files.iter().map(move |(path, digest)| (*digest, format!("file `{path}` of check `{}`", check.id)))
    });
    let mut out = BTreeMap::new();
    for (digest, place) in blocks.chain(judges) {
        match from.iter().find_map(|files| files.get(&digest)) {
            Some(bytes) => _ = out.insert(digest, bytes.clone()),
            None => {
                let message = format!("nobody gives the content with the digest {digest}");
                let hint = "amend the Markdown view, where content stands: --as markdown";
                rejected.push(Rejection::new(Code::InvalidField, place, message, hint));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
