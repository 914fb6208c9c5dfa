//! Aider: `aider --message-file`. It prints text, not JSON, has no name for a conversation, and exits with 0 whatever
//! happened. That a message was answered shows in the line that counts its tokens; there is no other evidence.
//!
//! It always reads `.aider.conf.yml` and `.env` of the repository and cannot be told not to. Flags go before them: what
//! would run a command by itself (linter, tests, a file of commands to load) is switched off by flag.

use std::{ffi::OsString, io};

use super::{Notice, failed, micros, say};
use crate::{
    agent::{
        Agent, Answer, Call, Work,
        program::{Adapter, Said, Start, Usage, bad_end, with_words},
    },
    base::{
        Cost,
        procs::{Captured, Ended},
    },
};

/// How it is started. Its histories stay out of the workspace.
pub fn start(agent: &Agent, call: &Call<'_>) -> io::Result<Start> {
    let message = call.scratch.join("aider-message.md");
    std::fs::write(&message, call.prompt)?;
    let mut argv: Vec<OsString> = [
        "aider",
        "--yes-always",
        "--no-stream",
        "--no-pretty",
        "--no-fancy-input",
        "--no-auto-commits",
        "--no-dirty-commits",
        "--no-gitignore",
        "--no-auto-lint",
        "--no-auto-test",
        "--no-suggest-shell-commands",
        "--no-detect-urls",
        "--no-check-update",
        "--no-show-release-notes",
        "--no-analytics",
        "--load=/dev/null",
    ]
    .map(Into::into)
    .into();
    for (flag, name) in [("--chat-history-file", "aider-chat.md"), ("--input-history-file", "aider-input.txt")] {
        argv.extend([flag.into(), call.scratch.join(name).into()]);
    }
    if let Work::Answer(_) = call.work {
        argv.extend(["--chat-mode", "ask", "--dry-run"].map(Into::into));
    }
    argv.extend(agent.model.as_ref().map(|model| format!("--model={model}").into()));
    argv.extend(agent.effort.as_ref().map(|effort| format!("--reasoning-effort={effort}").into()));
    argv.extend(["--message-file".into(), message.into()]);
    Ok(Start { argv, ..Start::default() })
}

/// What it says.
#[derive(Debug, Default)]
pub struct Text {
    /// What it cost, from the lines that say so; none where there was none.
    cost: Option<Cost>,
    /// The first line that names an error of its endpoint.
    error: Option<String>,
}

impl Adapter for Text {
    fn line(&mut self, line: &[u8], notice: &Notice<'_>) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        let line = line.trim();
        if let Some(report) = line.strip_prefix("Tokens: ").and_then(report) {
            let sum = self.cost.get_or_insert_default();
            *sum += Cost { usd_micros: 0, ..report };
            // The cost of the session: rounded once, not once a message.
            sum.usd_micros = sum.usd_micros.max(report.usd_micros);
        } else if line.starts_with("litellm.") {
            self.error.get_or_insert_with(|| line.to_owned());
        } else {
            say(line, notice);
        }
    }

    fn judge(&mut self, ended: Ended, stdout: &Captured, stderr: &Captured) -> Said {
        let words = self.error.as_deref().unwrap_or_default();
        if let Some(detail) = bad_end(ended, words, stderr) {
            return failed(detail, None);
        }
        if self.cost.is_none() {
            return failed(with_words("it ended without a result".into(), words, stderr), None);
        }
        let answer = Answer::Text(String::from_utf8_lossy(&stdout.bytes()).into_owned());
        Said { ok: true, detail: "it answered".into(), answer: Some(answer), ..Said::default() }
    }

    fn usage(&self) -> Usage {
        Usage { cost: self.cost.unwrap_or_default(), cumulative: false }
    }
}

/// `1.2k sent, 3k cache hit, 345 received. Cost: $0.01 message, $0.02 session.`, without its cost where the model's
/// price is not known.
fn report(line: &str) -> Option<Cost> {
    let (tokens, cost) = line.split_once(" Cost: ").unwrap_or((line, ""));
    let mut out = Cost::default();
    let mut received = false;
    for part in tokens.trim_end_matches('.').split(", ") {
        let (number, what) = part.split_once(' ')?;
        match what {
            "received" => {
                received = true;
                out.output_tokens = tokens_of(number)?;
            }
            // What was cached is among what was sent.
            "sent" => out.input_tokens = tokens_of(number)?,
            _ => {}
        }
    }
    let session = cost.split(", ").find_map(|part| part.trim_end_matches('.').strip_suffix(" session"));
    out.usd_micros = micros(session.and_then(|s| s.strip_prefix('$')?.parse().ok()));
    received.then_some(out)
}

/// `345`, `1.2k`, `12k`, `1.2M`.
fn tokens_of(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['k', 'M']) {
        Some(digits) if text.ends_with('k') => (digits, 1e3),
        Some(digits) => (digits, 1e6),
        None => (text, 1.0),
    };
    Some((digits.parse::<f64>().ok()? * unit).round() as u64)
}
