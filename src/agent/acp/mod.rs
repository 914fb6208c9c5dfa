//! `acp:` agents: programs that speak the Agent Client Protocol, version 1, over their standard streams.
//!
//! Files are read and written through [`desk`], where an agent is asked for nothing that the call does not allow: a write
//! outside its scope is refused before there is a byte of it. What an agent changes with tools of its own is confined by
//! whoever starts programs, and judged by who looks at the workspace; a permission that it asks for is granted by what it
//! says of the tool, which is no evidence.
//!
//! A refusal is told at once, to the agent with the reason. It fails the call where it was the last word: an agent that is
//! granted a change afterwards has found a way within its scope, and its files are judged. One that is asked for an answer
//! is refused every change and may look at everything: its answer is judged, not that it tried.

mod desk;
mod heard;
mod talk;
mod wire;

use std::{pin::pin, time::Duration};

use agent_client_protocol::{
    self as acp, Channel, on_receive_notification, on_receive_request,
    v1::schema::{ReadTextFileRequest, RequestPermissionRequest, SessionNotification, WriteTextFileRequest},
};
use futures_util::future::{Either, select};
use tokio::time::timeout;

use super::{Agent, Answer, Call, Outcome, Work, program, transcript, variables};
use crate::base::{
    World,
    procs::{Child, Ended, Spec},
};
use desk::Desk;
use heard::Heard;
use talk::{Failure, Talk};
use wire::Wire;

/// What some agents are told by variables. OpenCode asks before it edits only where its configuration says so, and takes a
/// part of it from there. Claude Code would pay for a guess at what the user types next.
const TOLD: [(&str, &str); 2] =
    [("OPENCODE_PERMISSION", r#"{"edit":"ask"}"#), ("CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION", "false")];

/// How long an agent may take to end once its standard input is closed.
const ENDING: Duration = Duration::from_secs(5);

/// How long a pipe is read that somebody holds open after the agent's end.
const AFTER_END: Duration = Duration::from_secs(1);

/// Runs the agent in the workspace for one turn of a conversation.
pub async fn run(world: &World, agent: &Agent, argv: &[String], call: &Call<'_>) -> Outcome {
    let root = match call.dir.canonicalize() {
        Ok(root) => root,
        Err(e) => return Outcome::failed(format!("the workspace {} cannot be used: {e}", call.dir.display())),
    };
    let mut env = variables::of(world, agent, call);
    for (name, value) in TOLD {
        env.entry(name.into()).or_insert(value.into());
    }
    let env = env.into_iter().collect();
    let argv = argv.iter().map(Into::into).collect();
    let spec = Spec { argv, cwd: root.clone(), env, keep_stdin: true, ..Spec::default() };
    let mut child = match world.procs.spawn(&spec) {
        Ok(child) => child,
        Err(e) => return program::not_started(&e),
    };
    let wire = Wire::new();
    let desk = Desk { call, root, heard: Heard::new(call.notice) };
    let (turn, ended) = drive(&mut child, agent, &desk, &wire).await;
    let mut outcome = judge(&desk, &wire, turn, ended);
    outcome.cost = desk.heard.cost();
    outcome.session = desk.heard.session().map(|id| id.to_string()).or_else(|| call.session.id.clone());
    let parts = [("messages", wire.messages().bytes()), ("standard error", wire.stderr().bytes())];
    match transcript::keep(call.transcript, &parts) {
        Ok(kept) => outcome.transcript = kept.then(|| call.transcript.to_owned()),
        Err(e) => outcome.detail.push_str(&format!(" (its transcript could not be kept: {e})")),
    }
    outcome
}

/// Has the turn, and sees the agent to its end; how it ended, where it did so by itself.
async fn drive(child: &mut Child, agent: &Agent, desk: &Desk<'_>, wire: &Wire) -> (Result<(), Failure>, Option<Ended>) {
    let (ours, theirs) = Channel::duplex();
    let pipes = wire.carry(child.stdin.take(), child.stdout.take(), child.stderr.take(), theirs);
    let turn = acp::Client
        .v1()
        .name("git-otto")
        .on_receive_request(
            async |asked: ReadTextFileRequest, answer, _| answer.respond_with_result(desk.read(&asked)),
            on_receive_request!(),
        )
        .on_receive_request(
            async |asked: WriteTextFileRequest, answer, _| answer.respond_with_result(desk.write(&asked)),
            on_receive_request!(),
        )
        .on_receive_request(
            async |asked: RequestPermissionRequest, answer, _| answer.respond(desk.permit(&asked)),
            on_receive_request!(),
        )
        .on_receive_notification(
            async |said: SessionNotification, _| {
                desk.heard.update(said);
                Ok(())
            },
            on_receive_notification!(),
        )
        .connect_with(ours, async |connection| Ok(Talk { connection, agent, desk, wire }.turn().await));
    let turn = async {
        turn.await.unwrap_or_else(|e| {
            Err(Failure {
                sentence: "the connection to it failed".into(),
                words: Some(e.message),
                ..Failure::default()
            })
        })
    };
    let done = {
        // The turn hears of the agent's end by the end of its channel; the agent of the turn's by the end of its input.
        let program = async {
            match select(pin!(child.wait()), pin!(pipes)).await {
                Either::Left((ended, pipes)) => {
                    let _ = timeout(AFTER_END, pipes).await;
                    ended
                }
                Either::Right(((), ended)) => ended.await,
            }
        };
        match select(pin!(turn), pin!(program)).await {
            Either::Left((turn, program)) => {
                let grace = if matches!(&turn, Err(f) if f.is_limit) { Duration::ZERO } else { ENDING };
                (turn, timeout(grace, program).await.ok().and_then(Result::ok))
            }
            Either::Right((ended, turn)) => (turn.await, ended.ok()),
        }
    };
    if done.1.is_none() {
        child.kill();
        let _ = child.wait().await;
    }
    done
}

/// Judges a turn. Once the agent has answered that it is done, how it ends says nothing any more.
fn judge(desk: &Desk<'_>, wire: &Wire, turn: Result<(), Failure>, ended: Option<Ended>) -> Outcome {
    let (text, last) = desk.heard.text();
    let answers = matches!(desk.call.work, Work::Answer(_));
    let denied = if answers { Vec::new() } else { desk.heard.denied() };
    let denied = denied.iter().map(|d| program::shown(d.as_bytes())).collect();
    let outcome = match turn {
        Ok(()) => Outcome {
            answer: (answers && !text.is_empty()).then_some(Answer::Text(text)),
            ..Outcome::done(program::shown(last.as_bytes()))
        },
        Err(failure) => {
            let stderr = wire.stderr();
            let bad_end = ended.filter(|_| failure.is_end).and_then(|ended| program::bad_end(ended, "", &stderr));
            let detail = match (bad_end, failure.words) {
                (Some(bad_end), _) => bad_end,
                (None, Some(words)) => program::with_words(failure.sentence, &words, &stderr),
                (None, None) => failure.sentence,
            };
            Outcome { trouble: failure.trouble, ..Outcome::failed(detail) }
        }
    };
    Outcome { denied, ..outcome }
}
