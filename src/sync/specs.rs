//! Histories of specs: forward, or two of them brought together.
//!
//! Two amended specs become one by a merge record that is a function of both, so that every clone makes the same one.
//! What both changed in different ways is a person's decision; it is recorded as an amendment by them on the side that
//! gives way, after which the same rule merges both. Where one side is only a draft nothing is sealed: the other side
//! counts, and what was here is kept under a rescue ref.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, Dispute, How, Moved, Open, Options, Report, View, bring};
use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId},
    git::{Old, RefEdit, Swap},
    spec::{
        self,
        join::{Join, join, read},
        model::{
            Spec,
            merge::{self, Choice, Conflict, Side},
            parts::{Place, put_together, take_apart},
            tier::{self, Author},
        },
    },
    store::{
        Store, names,
        record::{self, By, Content, Kind, NewRecord, Phase},
    },
    verify::{self, Update},
};

/// What becomes of a spec.
enum Outcome {
    /// It goes on to this record.
    On(Oid, How),
    /// A person has to decide.
    Open(Open),
}

/// Brings every spec up to what the remote has. Answers those that are not settled: their runs have to wait.
pub(super) fn bring(
    store: &Store,
    options: &Options,
    theirs: &View,
    ours: &View,
    report: &mut Report,
) -> Result<BTreeSet<SpecId>, Failure> {
    let mut open = BTreeSet::new();
    for (name, new) in theirs {
        let Some(id) = names::parse_spec(name).filter(|id| options.covers(id)) else { continue };
        let old = ours.get(name).copied();
        if old == Some(*new) {
            continue;
        }
        let forward = old.is_none_or(|old| store.repo.is_ancestor(old, *new).unwrap_or(false));
        let key = (name.clone(), *new);
        let found = match forward {
            _ if report.sound.contains(&key) => Vec::new(),
            true => verify::updates(&store.repo, &[Update { name: name.clone(), old, new: Some(*new) }])?,
            false => verify::spec(&store.repo, &id, *new),
        };
        if let Some(first) = found.first() {
            bring::refuse(report, options, name, first, found.len());
            open.insert(id);
            continue;
        }
        report.sound.insert(key);
        let outcome = match old {
            None => Outcome::On(*new, How::Created),
            Some(old) if store.repo.is_ancestor(*new, old)? => continue,
            Some(_) if forward => Outcome::On(*new, How::Forward),
            Some(old) => apart(store, options, &id, old, *new)?,
        };
        match outcome {
            Outcome::On(to, how) => {
                if !options.dry_run {
                    go_on(store, &id, old, to, how)?;
                }
                report.fetched.push(Moved { name: name.clone(), old, new: Some(to), how });
            }
            Outcome::Open(what) => {
                report.open.push(what);
                open.insert(id);
            }
        }
    }
    Ok(open)
}

/// Moves the ref; what is left behind gets a rescue ref in the same transaction.
fn go_on(store: &Store, id: &SpecId, old: Option<Oid>, to: Oid, how: How) -> Result<(), Failure> {
    let (How::Replaced, Some(left)) = (how, old) else {
        return Ok(record::advance(store, id, old, to, &format!("share {id}"))?);
    };
    let mut edits = vec![RefEdit { name: names::spec(id), old: Old::Is(left), new: Some(to) }];
    let rescue = names::rescue_spec(id, left);
    if store.repo.refs().read(&rescue)?.is_none() {
        edits.push(RefEdit { name: rescue, old: Old::Absent, new: Some(left) });
    }
    match store.swap(&edits, &format!("share {id}"))? {
        Swap::Done => Ok(()),
        Swap::Lost { .. } => {
            Err(Failure::new(Exit::Internal, format!("the spec {id} moved meanwhile")).hint("git otto sync"))
        }
    }
}

/// Two histories that went apart.
fn apart(store: &Store, options: &Options, id: &SpecId, ours: Oid, theirs: Oid) -> Result<Outcome, Failure> {
    let phase = |commit: Oid| record::load(&store.repo, commit).map(|s| s.record.kind.phase());
    let decision = options.decision.as_ref();
    let remote = options.remote.as_str();
    let case = Case { store, id, remote, decision };
    match (phase(ours)?, phase(theirs)?) {
        (Phase::Closed, theirs_is) => {
            // To close changes nothing: what was closed here goes on as it was before.
            let before = record::load(&store.repo, ours)?.parents.first().copied();
            match before {
                Some(before) if store.repo.is_ancestor(before, theirs)? => Ok(Outcome::On(theirs, How::Replaced)),
                Some(before) if theirs_is == Phase::Approved => match case.amended(before, theirs)? {
                    Outcome::On(to, _) => Ok(Outcome::On(to, How::Replaced)),
                    open => Ok(open),
                },
                _ => Ok(case.closed_there(theirs)),
            }
        }
        (_, Phase::Closed) => Ok(case.closed_there(theirs)),
        (Phase::Approved, Phase::Approved) => case.amended(ours, theirs),
        (Phase::Draft, Phase::Draft) => case.drafts(ours, theirs),
        (Phase::Draft, Phase::Approved) => case.approved_there(ours, theirs),
        (Phase::Approved, Phase::Draft) => case.approved_here(ours, theirs),
    }
}

struct Case<'a> {
    store: &'a Store,
    id: &'a SpecId,
    remote: &'a str,
    decision: Option<&'a Decision>,
}

impl Case<'_> {
    fn open(&self, message: String, conflicts: &[Conflict]) -> Outcome {
        let (id, remote) = (self.id, self.remote);
        let hint = format!("git otto sync {remote} {id} --ours\ngit otto sync {remote} {id} --theirs");
        Outcome::Open(Open { spec: id.clone(), message, disputes: conflicts.iter().map(Dispute::from).collect(), hint })
    }

    fn reason(&self, decision: &Decision, what: &str) -> String {
        if decision.reason.trim().is_empty() { what.to_owned() } else { decision.reason.clone() }
    }

    /// What was closed there takes no further record.
    fn closed_there(&self, theirs: Oid) -> Outcome {
        match self.decision.map(|d| d.side) {
            Some(Side::Theirs) => Outcome::On(theirs, How::Replaced),
            _ => {
                let (id, remote) = (self.id, self.remote);
                let message = format!("the spec was closed on {remote}, and what was changed here cannot follow");
                let hint = format!("git otto sync {remote} {id} --theirs    (what is here stays under a rescue ref)");
                Outcome::Open(Open { spec: id.clone(), message, disputes: Vec::new(), hint })
            }
        }
    }

    /// Both are approved: one merge record, the same wherever it is made.
    fn amended(&self, ours: Oid, theirs: Oid) -> Result<Outcome, Failure> {
        let Some(join) = join(&self.store.repo, self.id, ours, theirs)? else { return Ok(self.unrelated(theirs)) };
        let conflicts = match join.merge()? {
            Ok(spec) => return Ok(Outcome::On(self.merge_record(&join, ours, theirs, &spec)?, How::Merged)),
            Err(conflicts) => conflicts,
        };
        match self.decision {
            None => Ok(self.open(format!("both sides changed it since {}", join.base.short()), &conflicts)),
            Some(decision) => Ok(Outcome::On(self.decide(&join, decision, &conflicts)?, How::Merged)),
        }
    }

    /// Nobody knows what two specs of one name have to do with each other.
    fn unrelated(&self, theirs: Oid) -> Outcome {
        if self.decision.is_some_and(|d| d.side == Side::Theirs) {
            return Outcome::On(theirs, How::Replaced);
        }
        let (id, remote) = (self.id, self.remote);
        let message = format!("{remote} has another spec of this name, with nothing in common");
        let hint = format!(
            "git otto show {id} > {id}-2.md && git otto compile {id}-2.md --id {id}-2, then git otto sync {remote} {id} --theirs"
        );
        Outcome::Open(Open { spec: id.clone(), message, disputes: Vec::new(), hint })
    }

    fn merge_record(&self, join: &Join, one: Oid, other: Oid, spec: &Spec) -> Result<Oid, Failure> {
        let files = join.contents(spec);
        self.prepare(Kind::Merge, By::Otto, (spec, &files), "", None, Some((other, join.base)), one)
    }

    /// Both are drafts: theirs goes on, with what was changed here on top.
    fn drafts(&self, ours: Oid, theirs: Oid) -> Result<Outcome, Failure> {
        let found = join(&self.store.repo, self.id, ours, theirs)?;
        let (mine, other) = (record::load(&self.store.repo, ours)?, record::load(&self.store.repo, theirs)?);
        if mine.record.after == other.record.after {
            return Ok(Outcome::On(theirs, How::Replaced));
        }
        let (spec, files) = match (found, self.decision) {
            (Some(join), _) => match (join.merge()?, self.decision) {
                (Ok(spec), _) => (spec.clone(), join.contents(&spec)),
                (Err(conflicts), None) => {
                    return Ok(
                        self.open(format!("both sides edited the draft since {}", join.base.short()), &conflicts)
                    );
                }
                (Err(_), Some(decision)) => {
                    let spec = preferred(&join, decision.side)?;
                    (spec.clone(), join.contents(&spec))
                }
            },
            (None, Some(Decision { side: Side::Ours, .. })) => (read(&mine)?, mine.files),
            (None, _) => return Ok(self.unrelated(theirs)),
        };
        if Sha256::of(spec::write(&spec)) == other.record.after {
            return Ok(Outcome::On(theirs, How::Replaced));
        }
        let reason = format!("What was edited beside {} is applied on top of it.", theirs.short());
        let to = self.prepare(Kind::Edit, By::User, (&spec, &files), &reason, None, None, theirs)?;
        Ok(Outcome::On(to, How::Replaced))
    }

    /// It was approved there while the draft was edited here: the edit has to become an amendment.
    fn approved_there(&self, ours: Oid, theirs: Oid) -> Result<Outcome, Failure> {
        let Some(join) = join(&self.store.repo, self.id, ours, theirs)? else { return Ok(self.unrelated(theirs)) };
        if join.ours.record.after == join.theirs.record.after {
            return Ok(Outcome::On(theirs, How::Replaced));
        }
        match self.decision {
            None => {
                let message = format!(
                    "{} approved it on {}; what was edited here since {} has to become an amendment (--ours), or give way (--theirs)",
                    join.theirs.record.actor,
                    self.remote,
                    join.base.short()
                );
                Ok(self.open(message, &[]))
            }
            Some(Decision { side: Side::Theirs, .. }) => Ok(Outcome::On(theirs, How::Replaced)),
            Some(decision) => {
                let spec = preferred(&join, Side::Ours)?;
                let reason = self.reason(decision, "An edit of the draft, applied after the approval.");
                let to = self.amend((&spec, &join.contents(&spec)), &reason, theirs)?;
                Ok(Outcome::On(to, How::Replaced))
            }
        }
    }

    /// It was approved here while the draft was edited there: a person approves the edit, or takes it back.
    fn approved_here(&self, ours: Oid, theirs: Oid) -> Result<Outcome, Failure> {
        let Some(join) = join(&self.store.repo, self.id, ours, theirs)? else { return Ok(self.unrelated(theirs)) };
        let Some(decision) = self.decision else {
            let message = format!(
                "{} edited the draft on {} after it was approved here; the edit is approved, too (--theirs), or taken back (--ours)",
                join.theirs.record.actor, self.remote
            );
            return Ok(self.open(message, &join.merge()?.err().unwrap_or_default()));
        };
        let reason = self.reason(decision, "Approved to bring it together with what was approved before.");
        let title = read(&join.theirs)?.title;
        let new = NewRecord { content: None, ..record_of(Kind::Approve, By::User, &title, &reason) };
        let approved = record::prepare(self.store, self.id, new, Some(theirs))?.commit;
        let join = Join { theirs: record::load(&self.store.repo, approved)?, ..join };
        let wanted = match decision.side {
            Side::Ours => read(&join.ours)?,
            Side::Theirs => preferred(&join, Side::Theirs)?,
        };
        Ok(Outcome::On(self.settle(&join, decision, &wanted, &[])?, How::Merged))
    }

    /// What a person decided about what both changed: an amendment on the side that gives way, then the merge.
    fn decide(&self, join: &Join, decision: &Decision, conflicts: &[Conflict]) -> Result<Oid, Failure> {
        let wanted = preferred(join, decision.side)?;
        self.settle(join, decision, &wanted, conflicts)
    }

    /// Amends what must give way, as little as is enough, so that the merge of both is what is wanted.
    fn settle(&self, join: &Join, decision: &Decision, wanted: &Spec, conflicts: &[Conflict]) -> Result<Oid, Failure> {
        let (ours, theirs) = (read(&join.ours)?, read(&join.theirs)?);
        let (yields, other) = match decision.side {
            Side::Ours => (&theirs, &ours),
            Side::Theirs => (&ours, &theirs),
        };
        let places: Vec<&Place> = conflicts
            .iter()
            .filter_map(|c| if let Conflict::Piece(piece) = c { Some(&piece.place) } else { None })
            .collect();
        let (mut less, from) = (take_apart(yields), take_apart(other));
        for place in &places {
            match from.get(*place) {
                Some(value) => drop(less.insert((*place).clone(), value.clone())),
                None => drop(less.remove(*place)),
            }
        }
        let less = put_together(self.id, &less).ok().filter(|s| spec::parse(&spec::write(s)).is_ok());
        let gives_way = |content: &Spec| match decision.side {
            Side::Ours => (ours.clone(), content.clone()),
            Side::Theirs => (content.clone(), theirs.clone()),
        };
        let tries = less.iter().chain([wanted]).map(gives_way).chain([(wanted.clone(), wanted.clone())]);
        let agreed = |(a, b): &(Spec, Spec)| {
            let merged = merge::merge_parts(&join.agreed, &take_apart(a), &take_apart(b), &|_| Choice::Open);
            merged.is_ok_and(|parts| put_together(self.id, &parts).as_ref() == Ok(wanted))
        };
        let (a, b) = tries.into_iter().find(agreed).unwrap_or((wanted.clone(), wanted.clone()));
        let what = match (decision.side, places.as_slice()) {
            (Side::Ours, []) => "What was changed here counts, where both changed something.".to_owned(),
            (Side::Theirs, []) => format!("What was changed on {} counts, where both changed something.", self.remote),
            (side, places) => {
                let all: Vec<String> = places.iter().map(|p| p.to_string()).collect();
                let whose = if side == Side::Ours { "here".to_owned() } else { format!("on {}", self.remote) };
                format!("Both sides changed {}: what was changed {whose} counts.", all.join(", "))
            }
        };
        let reason = self.reason(decision, &what);
        let step = |to: &Spec, from: &Spec, at: Oid| match to == from {
            true => Ok(at),
            false => self.amend((to, &join.contents(to)), &reason, at),
        };
        let one = step(&a, &ours, join.ours.commit)?;
        let other = step(&b, &theirs, join.theirs.commit)?;
        self.merge_record(join, one, other, wanted)
    }

    fn amend(&self, content: (&Spec, &BTreeMap<Sha256, Vec<u8>>), reason: &str, on: Oid) -> Result<Oid, Failure> {
        let before = read(&record::load(&self.store.repo, on)?)?;
        // Whoever decides here decides about the intent, too: it is one of the pieces that are shown.
        let judged = tier::judge(&before, content.0, Author::User { override_intent: true });
        let tier = judged.map_err(|all| match all.into_iter().next() {
            Some(first) => Failure::from(first),
            None => Failure::new(Exit::Invalid, "the amendment was refused"),
        })?;
        self.prepare(Kind::Amend, By::User, content, reason, Some(tier.number()), None, on)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one record, each once")]
    fn prepare(
        &self,
        kind: Kind,
        by: By,
        (spec, files): (&Spec, &BTreeMap<Sha256, Vec<u8>>),
        reason: &str,
        tier: Option<u8>,
        merges: Option<(Oid, Oid)>,
        on: Oid,
    ) -> Result<Oid, Failure> {
        let bytes = spec::write(spec);
        let content = Some(Content { spec: &bytes, files });
        let new = NewRecord { content, tier, merges, ..record_of(kind, by, &spec.title, reason) };
        Ok(record::prepare(self.store, self.id, new, Some(on))?.commit)
    }
}

fn record_of<'a>(kind: Kind, by: By, title: &'a str, reason: &'a str) -> NewRecord<'a> {
    NewRecord { kind, by, title, reason, trigger: None, tier: None, content: None, cost: None, merges: None }
}

/// Both sides together, with that side's where they do not agree; that side's alone where even so a rule is broken.
fn preferred(join: &Join, side: Side) -> Result<Spec, Failure> {
    let alone = || if side == Side::Ours { read(&join.ours) } else { read(&join.theirs) };
    Ok(match join.merge_as(&|_| Choice::Take(side))? {
        Ok(spec) => spec,
        Err(_) => alone()?,
    })
}
