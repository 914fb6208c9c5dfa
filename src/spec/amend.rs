//! The one door through which a written spec changes: edits of a draft, amendments of what was approved, by persons and by
//! agents. It says no for every reason at once, and what it lets through is stored as one record.

use std::collections::BTreeMap;

use super::{
    digest,
    model::{
        Spec,
        change::{between, changes},
        parts::take_apart,
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
    if digest(&wish.after) == current.record.after {
        return match wish.author {
            Author::User { .. } => Ok(Judged::Unchanged(tip)),
            Author::Agent { .. } => Err(Rejection::no_change(id).into()),
        };
    }
    let based = if wish.base == tip { current.clone() } else { record::load(repo, wish.base)? };
    follows(&wish, &current, &based)?;
    if wish.base != tip {
        let base = spec_of(&based)?;
        wish.after = join(&base, &before, &wish.after).ok_or_else(|| stale(&base, &before, &wish, &current))?;
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
    Ok(Judged::Fit(Box::new(Fit { before, after: wish.after.clone(), tier, base: tip, files, wish })))
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
            Err(e @ store::Error::Moved { .. }) => Err(Rejection::stale_base(wish.spec, e.to_string()).into()),
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

/// Joins two changes of one spec: theirs, which is recorded, and the one that is wanted. None where one of them has to give
/// way.
fn join(base: &Spec, theirs: &Spec, wanted: &Spec) -> Option<Spec> {
    let (base, theirs, ours) = (take_apart(base), take_apart(theirs), take_apart(wanted));
    // Whoever wants all that the others did has seen it.
    let seen = between(&base, &theirs).iter().all(|c| ours.get(&c.place) == c.after.as_ref());
    seen.then(|| wanted.clone())
}

/// Says who changed what while somebody else changed something.
fn stale(base: &Spec, theirs: &Spec, wish: &Wish<'_>, current: &StoredSpec) -> Refused {
    let r = &current.record;
    let at = Timestamp::from_secs(r.time.secs).human();
    let head = format!("{} did {} at {at} ({}) after what you read", r.actor, r.kind.word(), current.commit.short());
    let head = Rejection::stale_base(wish.spec, format!("{head} ({})", wish.base.short()));
    let side = |who: &str, spec: &Spec| -> Vec<Rejection> {
        let told = changes(base, spec);
        told.iter().map(|c| Rejection::stale_base(wish.spec, format!("{who}: {}", c.sentence()))).collect()
    };
    let sides = [side("theirs", theirs), side("yours", &wish.after)].concat();
    Refused::Rejected([vec![head], sides].concat())
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
            let who = format!("{} approved the spec {id} while you edited it", current.record.actor);
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
