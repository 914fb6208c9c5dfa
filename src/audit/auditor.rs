//! Asking an agent to judge: what it is told, and what is made of its answer.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;

use super::{
    Auditor,
    model::{Judgement, Opinion},
};
use crate::{
    agent::{
        Bounds, Product, Role,
        answer::{self, NoAnswer, Question, Told},
        prompt::{self, Changed, Checked, NotBuilt, Required},
        variables,
    },
    base::{Failure, json},
    checks,
    gate::{Gate, Round},
    git::ByteSlice,
    journal::{
        event::{Fact, Kind},
        state::CheckResult,
    },
    plan::model::{Plan, current, proves},
    store::run::Limits,
    workspace,
};

/// What the agent's answer must be.
const SCHEMA: &str = include_str!("../../schemas/audit.json");

/// The tag that the answer may stand in.
const TAG: &str = "audit_json";

/// How often it is asked in one audit at most.
const CALLS: u32 = 2;

/// Changed files that are listed.
const MOST: usize = 200;

/// What the agent says of the product of a round. Nothing that it fails at is an error: it is told as no verdict.
pub(super) async fn opinion(
    gate: &Gate,
    plan: &Plan,
    (number, round): (u32, &Round<'_>),
    results: &[CheckResult],
    auditor: Auditor<'_>,
) -> Result<Opinion, Failure> {
    let spent = gate.log.read(|state| state.cost.usd_micros);
    let left = plan.limits.run_usd_micros.map(|all| all.saturating_sub(spent));
    if let (Some(0), Some(limit)) = (left, plan.limits.run_usd_micros) {
        gate.log.record(&[Fact::run(Kind::BudgetExceeded { what: Limits::RUN_USD.into(), limit, used: spent })])?;
        return Ok(Opinion::Nothing("the run's budget is used up".into()));
    }
    let prompt = auditor.prompts.audit(&packet(gate, plan, round, results)?)?;
    let schema: Value = json::parse(SCHEMA.as_bytes(), json::Limits::RECORD)?;
    let place = workspace::clean_checkout(
        gate.repo(),
        &gate.site.world,
        &gate.site.root,
        &format!("{}-agent", round.name),
        round.tree,
    )?;
    let nonce = gate.site.world.ids.hex(8)?;
    let question = Question {
        role: Role::Audit,
        nth: (number - 1) * CALLS + 1,
        prompt: &prompt,
        schema: &schema,
        tag: TAG,
        dir: place.dir(),
        scratch: place.scratch(),
        sessions: &workspace::sessions(&gate.site.root),
        transcript: &|call| workspace::transcript(&gate.site.root, &format!("{}-{nonce}-{call}", round.name)),
        bounds: Bounds {
            wall: Duration::from_secs(plan.limits.slice_wall_s),
            idle: Some(Duration::from_secs(plan.limits.agent_idle_s)),
            usd_micros: left,
        },
        repairs: CALLS - 1,
    };
    let agent = auditor.agent;
    let login = variables::make_login(&gate.site.world, &agent.provider)?;
    let elsewhere = agent.provider.is_remote();
    let world = gate.site.sandbox.agent(&gate.site.world, elsewhere, place.dir(), place.scratch(), login);
    let nth = AtomicU32::new(question.nth);
    let listener = |told: Told<'_>| {
        let kind = match told {
            Told::Begins(session) => Kind::AgentStarted {
                provider: agent.recorded_as(Role::Audit, None, nth.fetch_add(1, Ordering::Relaxed)),
                role: Role::Audit.name().to_owned(),
                session: session.id.clone(),
                told: Vec::new(),
            },
            Told::Ended(done, recorded) => {
                if gate.records {
                    gate.keep_recording(&recorded.name(), recorded.line()?)?;
                }
                let (cost, duration_ms, words) = (done.cost, done.duration.as_millis() as u64, done.detail.clone());
                match done.ok {
                    true => Kind::AgentFinished { cost, duration_ms, summary: words },
                    false => Kind::AgentFailed { cost, duration_ms, detail: words },
                }
            }
            Told::Event(_) => return Ok(()),
        };
        Ok(gate.log.record(&[Fact::run(kind)])?)
    };
    let read =
        |value: Value| serde_json::from_value::<Judgement>(value).map_err(|e| vec![json::Error::from(e).to_string()]);
    let reply = answer::ask(&world, agent, auditor.prompts, &question, &listener, &read).await?;
    Ok(match reply.result {
        Ok(said) => Opinion::Said(said),
        Err(NoAnswer::Failed(outcome)) => Opinion::Nothing(outcome.detail),
        Err(NoAnswer::Invalid { errors, .. }) => Opinion::Nothing(errors.join("; ")),
    })
}

/// What the agent is told.
fn packet(gate: &Gate, plan: &Plan, round: &Round<'_>, results: &[CheckResult]) -> Result<prompt::Audit, Failure> {
    let spec = &plan.spec;
    let checked = |check: &checks::model::Check| -> Checked {
        let result = results.iter().rev().find(|r| r.check == check.id);
        let holds = result.is_some_and(|r| r.cause.passed());
        let streams = |r: &CheckResult| gate.streams(None, round.r#gen, round.attempt, r);
        let [stdout, stderr] = result.filter(|_| !holds).map(streams).unwrap_or_default();
        let detail = result.map_or("was not run", |r| &r.detail).to_owned();
        Checked { id: check.id.clone(), sentence: checks::sentence(check), holds, detail, stdout, stderr }
    };
    let requirements = spec.requirements.iter().map(|r| {
        let of_it = spec.checks().filter(|(slice, check)| proves(*slice, check).contains(&r.id));
        Required { id: r.id.clone(), text: r.text.clone(), checks: of_it.map(|(_, check)| checked(check)).collect() }
    });
    let blocked = gate.log.read(|state| {
        let why = |id| current(plan, state, id).blocked.as_ref().map(|(_, why)| why.clone());
        spec.slices.iter().filter_map(|s| Some(NotBuilt { id: s.id.to_string(), why: why(&s.id)? })).collect()
    });
    let base = gate.log.read(|state| state.started.as_ref().map(|s| s.base));
    let changes = match base {
        Some(base) => gate.repo().diff_trees(gate.repo().read_commit(base)?.tree, round.tree)?,
        None => Vec::new(),
    };
    let changed = changes.iter().take(MOST).map(|c| Changed {
        how: match (c.old, c.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        },
        path: c.path.to_str_lossy().into_owned(),
    });
    Ok(prompt::Audit {
        product: Product {
            title: spec.title.clone(),
            intent: spec.intent.clone(),
            kind: spec.project_kind.name().to_owned(),
        },
        requirements: requirements.collect(),
        blocked,
        changed: changed.collect(),
        more_changed: changes.len().saturating_sub(MOST),
    })
}
