//! An interrupted run stops in order, counts nothing that it broke off, and goes on where it was.

use rustix::process::Signal;

use crate::support::Sandbox;

const INTENT: &str = "# wait\n\nA product that waits for its agent.\n\nKind: `cli`, started as `./one`.\n\n\
## Slice `one`\n\n**R1** It answers.\n\nOwns: `one`.\n\nCheck: `./one` prints `1`.\n\n\
## Slice `two`\n\n**R2** It answers slowly.\n\nOwns: `two`.\n\nCheck: `./two` prints `2`.\n";

#[test]
fn a_signal_pauses_a_run_and_resume_ends_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let s = Sandbox::new();
        s.write("repo/wait.md", INTENT);
        s.git(&["add", "wait.md"]);
        s.git(&["commit", "-qm", "Say what is wanted"]);
        // The agent writes the file named like its slice. The check of the second one waits, in its first run on what the
        // agent wrote, until it is ended.
        let (began, go) = (s.path("began"), s.path("go"));
        let agent = format!(
            "#!/bin/sh\ncat >/dev/null\ncase $OTTO_SLICE in\none) printf '#!/bin/sh\\necho 1\\n' >one ;;\n\
             two) printf '#!/bin/sh\\n[ -e {go} ] || {{ touch {began}; exec sleep 1000; }}\\necho 2\\n' >two ;;\nesac\n\
             chmod +x $OTTO_SLICE\necho '{{\"ok\":true,\"summary\":\"done\"}}'\n",
            go = go.display(),
            began = began.display(),
        );
        let agent = format!("command:{}", s.script("agent", &agent).display());
        let before = s.snapshot();
        let mut run = s.start(&["run", "--yes", "--agent", &agent, "wait.md"], &[]);
        assert!(run.wait_for(&began), "the check was never run");
        run.signal(signal);
        let out = run.wait();
        assert_eq!(out.code, 130, "{out:?}");
        assert!(out.stderr.contains("git otto resume wait-"), "{}", out.stderr);
        s.write("go", "");
        let status = s.otto(&["status", "--json"]).json();
        assert_eq!(status["standing"], "interrupted", "{status}");
        let out = s.otto(&["resume"]);
        assert_eq!(out.code, 0, "{out:?}");
        assert!(!out.stderr.contains("failed"), "what was broken off is no failure: {}", out.stderr);
        assert_eq!(s.otto(&["verify", "--all"]).code, 0);
        assert_eq!(s.git(&["for-each-ref", "refs/otto/lease", "refs/otto/pin"]), "");
        assert_eq!(s.snapshot(), before);
    }
}

#[test]
fn a_second_signal_stops_at_once_and_resume_goes_on() {
    let s = Sandbox::new();
    s.write("wait.md", INTENT);
    let (began, pid, go) = (s.path("began"), s.path("pid"), s.path("go"));
    let agent = format!(
        "#!/bin/sh\ncat >/dev/null\nif [ $OTTO_SLICE = two ] && [ ! -e {go} ]; then\n\
         trap '' TERM INT; echo $$ >{pid}; touch {began}; while :; do sleep 1; done\nfi\n\
         printf '#!/bin/sh\\necho %s\\n' $([ $OTTO_SLICE = one ] && echo 1 || echo 2) >$OTTO_SLICE\n\
         chmod +x $OTTO_SLICE\necho '{{\"ok\":true,\"summary\":\"done\"}}'\n",
        go = go.display(),
        pid = pid.display(),
        began = began.display(),
    );
    let agent = format!("command:{}", s.script("agent", &agent).display());
    let mut run = s.start(&["run", "--yes", "--agent", &agent, "../wait.md"], &[]);
    assert!(run.wait_for(&began), "the agent was never started");
    // Both are there before it looks: the second finds it stopping.
    [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT].into_iter().for_each(|signal| run.signal(signal));
    let out = run.wait().exits(130);
    assert!(out.stderr.contains("stopping; Ctrl-C again stops at once"), "{out}");
    let agent = std::fs::read_to_string(&pid).unwrap();
    let state = s.spawn(s.command("ps", "").args(["-o", "stat=", "-p", agent.trim()]), None).wait().stdout;
    assert!(state.trim().is_empty() || state.starts_with('Z'), "the agent runs on: {state}");
    s.write("go", "");
    s.otto(&["resume"]).exits(0);
    s.otto(&["verify", "--all"]).exits(0);
}
