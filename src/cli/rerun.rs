//! Running an intent again whose spec is approved: what it says now is shown in words, and becomes an amendment for which
//! its author gives a reason.

use crate::{
    base::{Exit, Failure, Oid, text},
    cli::{
        Start,
        difference::{self, Effect},
        source::Draft,
        version,
    },
    spec::{
        amend::{self, Author, Judged, Refused},
        model::{change::changes, tier::Code},
    },
    store::{
        Store,
        record::{self, Actor, Kind},
    },
};

/// What a person says before they could be asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Consent {
    /// Approve without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Why the intent says something else than its approved spec
    #[arg(long, short = 'm', value_name = "REASON")]
    pub reason: Option<String>,
    /// Change also what was asked for: the prose of an approved intent
    #[arg(long)]
    pub override_intent: bool,
}

/// Takes what an intent says now over into its approved spec, whose newest record is `tip`; the record to build. `name` is
/// what the person called the intent.
pub fn amend(
    start: &Start,
    store: &Store,
    draft: &Draft,
    tip: Oid,
    consent: &Consent,
    name: &str,
) -> Result<Oid, Failure> {
    let id = &draft.spec.id;
    let say = |line: &str| if start.ui.is_json() { Ok(()) } else { start.ui.say(line) };
    let base = read_last(start, store, tip)?;
    let (read, _) = version::load(&store.repo, base)?;
    if read == draft.spec {
        if base != tip {
            let text = "others amended the spec since, and the intent says what it said before: what they wanted stays";
            say(text)?;
        }
        return Ok(tip);
    }
    let wish = |reason: &str| amend::Wish {
        spec: id,
        base,
        after: draft.spec.clone(),
        files: draft.files.clone(),
        kind: Kind::Amend,
        author: Author::User { override_intent: consent.override_intent },
        reason: reason.to_owned(),
    };
    let on_purpose = if consent.override_intent { " --override-intent" } else { "" };
    let again = format!("git otto run {}{on_purpose}", shell(name));
    // What breaks a rule is told before anybody is asked for a reason.
    let fit = match amend::judge(&store.repo, wish("Not yet given.")) {
        Ok(Judged::Unchanged(commit)) => return Ok(commit),
        Ok(Judged::Fit(fit)) => fit,
        Err(refused) => {
            say(difference::text(start, &changes(&read, &draft.spec), "  ").trim_end())?;
            return Err(told(refused, &again));
        }
    };
    let found = changes(&fit.before, &fit.after);
    say(&format!("the intent says something else than the approved spec {id}:"))?;
    say(difference::text(start, &found, "  ").trim_end())?;
    if let Some(joined) = fit.joined {
        say(&format!("what others amended up to {} stays: both go together", joined.short()))?;
    }
    let effect = Effect::of(&fit.before, &fit.after);
    say(&effect.sentence())?;
    if !effect.gone.is_empty() {
        say("what a slice landed stays when the slice goes; to have it taken out, keep it and retire what it is for:")?;
        say(&format!("  git otto amend {id} --retire <requirement>"))?;
    }
    let reason = match &consent.reason {
        Some(reason) => reason.clone(),
        None if start.ui.can_ask() => start.ui.ask("why? (nothing leaves the spec as it is) ")?,
        None => String::new(),
    };
    if reason.trim().is_empty() {
        let message = format!("the spec {id} is approved, and changes with a reason only");
        let hint = format!("{again} -m <reason>\nto build what was approved: git otto run {id}");
        let causes = if start.ui.is_json() { found.iter().map(|c| c.head()).collect() } else { Vec::new() };
        return Err(Failure { exit: Exit::Refused, message, causes, hint: Some(hint) });
    }
    let Judged::Fit(fit) = amend::judge(&store.repo, wish(&reason))? else { return Ok(tip) };
    let commit = fit.append(store)?;
    let tier = fit.tier.map(|t| format!(", tier {}", t.number())).unwrap_or_default();
    say(&format!("amended: spec {id} at {}{tier}", commit.short()))?;
    Ok(commit)
}

/// The version that the person at work read last, as far as records tell: their own newest one, or else the newest one of a
/// person. What agents and others recorded after it is no part of their intent, and is merged with it.
pub fn read_last(start: &Start, store: &Store, tip: Oid) -> Result<Oid, Failure> {
    let (author, _) = store.repo.identity(start.world.clock.now())?;
    let steps = record::history(&store.repo, tip)?;
    let by = |own: bool| {
        steps.iter().find(|s| match &s.record.actor {
            Actor::User(mail) => !own || *mail == author.email,
            _ => false,
        })
    };
    Ok(by(true).or_else(|| by(false)).map_or(tip, |step| step.commit))
}

/// A refusal whose next command is the run again, where that is all it takes.
fn told(refused: Refused, again: &str) -> Failure {
    let tier_1 = matches!(&refused, Refused::Rejected(list) if list.iter().any(|r| r.code == Code::Tier1Violation));
    let failure = Failure::from(refused);
    match tier_1 {
        true => failure.hint(format!("{again} --override-intent -m <reason>")),
        false => failure,
    }
}

/// A name as a shell reads it.
fn shell(name: &str) -> String {
    let name = if name == "<stdin>" { "-" } else { name };
    let plain = |c: char| c.is_alphanumeric() || "_./:@%+,-".contains(c);
    match name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", text::one_line(&name.replace('\'', r"'\''"), 300)),
    }
}
