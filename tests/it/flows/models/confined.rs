//! What a model has run is confined like a check.

use super::*;

#[test]
fn a_command_of_a_model_reads_no_secrets_writes_no_repository_and_has_no_network() {
    for network in ["all", "agents"] {
        let s = Sandbox::outside_of_tmp();
        s.write("home/.ssh/id", "a private key");
        let repo = s.repo().display().to_string();
        let home = s.path("home").display().to_string();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let number = port.local_addr().unwrap().port();
        let commands = [
            format!("cat {home}/.ssh/id"),
            format!("echo planted > {repo}/README.md; echo planted > {repo}/.git/config"),
            format!("bash -c ': < /dev/tcp/127.0.0.1/{number}' && echo connected"),
            "env".to_owned(),
            "printf 'a\\n' > a.txt && cat a.txt".to_owned(),
        ];
        let model = Model::start(move |turn| {
            let calls: Vec<Call> = commands.iter().map(|c| call("run", json!({"command": c}))).collect();
            steps(turn, &calls)
        });
        for (key, value) in [("otto.fsync", "false"), ("otto.sandbox", "require"), ("otto.sandbox.network", network)] {
            s.git(&["config", "--global", key, value]);
        }
        reach(&s, "openai", &model);
        let before = s.snapshot();
        write_intent(&s, &["a"]);
        let args = ["run", "--yes", "--json", "../intent.md", "--agent", "openai", "--model", "m"];
        let run = Run::read(otto(&s, "openai", &args)).ends(0);
        run.stands("a", "landed", 1);
        let results = model.requests().pop().unwrap().results;
        let [ssh, plants, connects, env, writes] = &results[..] else { panic!("{results:?}") };
        assert!(!ssh.contains("a private key") && !ssh.contains("exit code 0"), "{ssh}");
        assert!(!plants.contains("exit code 0"), "{plants}");
        assert_eq!(connects.contains("connected"), network == "all", "{connects}");
        assert!(!env.contains(KEY) && env.contains("OTTO_SLICE=a"), "{env}");
        assert!(writes.contains("(exit code 0)\na\n"), "{writes}");
        before.assert_same(&s.snapshot());
        drop(port);
    }
}
