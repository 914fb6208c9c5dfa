//! The tool that runs commands, as confined as the caller has confined its programs.

use std::time::Duration;

use serde::Deserialize;

use super::{super::super::variables, Done, Hands, KEEP};
use crate::base::procs::{self, Bounds, Ended, Limit, Spec};

/// How long a command may run that does not say.
const USUAL: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
pub struct Run {
    command: String,
    seconds: Option<u64>,
}

impl Hands<'_> {
    pub(super) async fn run(&self, what: Run, left: Duration) -> Done {
        let env = variables::of(self.world, self.agent, self.call);
        // A command has no use for the key, whatever variable the user named.
        let env = env.into_iter().filter(|(_, value)| !self.secrets.in_text(&value.to_string_lossy())).collect();
        let argv = ["sh", "-c", &what.command].map(Into::into).to_vec();
        let spec = Spec { argv, cwd: self.call.dir.to_owned(), env, ..Spec::default() };
        let wall = what.seconds.map_or(USUAL, Duration::from_secs).min(left);
        let bounds = Bounds { wall, idle: None, keep: KEEP };
        let ran = procs::run(self.world.procs.as_ref(), &spec, bounds).await;
        let ran = ran.map_err(|e| format!("the command could not be started: {e}"))?;
        let end = match (ran.limit, ran.ended) {
            (Some(Limit::Wall), _) => format!("it ran for more than {} s and was ended", wall.as_secs()),
            (_, Ended::Exit(code)) => format!("exit code {code}"),
            (_, Ended::Signal(n)) => format!("signal {n} ended it"),
        };
        let mut out = format!("({end})\n").into_bytes();
        out.extend(ran.stdout.bytes());
        let stderr = ran.stderr.bytes();
        if !stderr.is_empty() {
            out.extend(b"\n(standard error)\n");
            out.extend(stderr);
        }
        Ok(out)
    }
}
