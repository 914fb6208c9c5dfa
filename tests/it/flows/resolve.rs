//! What is run, by what a person types: a file, standard input, a spec, prose, or nothing at all.

use super::super::support::{EXAMPLE, Sandbox};

/// A small intent of a title.
fn titled(title: &str) -> String {
    format!(
        "# {title}\n\nSays something.\n\nKind: `cli`, started as `./say`.\n\nCommand `say`: says it.\n\n## Slice `say`\n\n\
         **R1** It says something.\n\nCheck: `./say` prints `something`.\n\nFile `say`, executable:\n\n```sh\n#!/bin/sh\n\
         echo something\n```\n"
    )
}

/// What is typed and on standard input; then the exit code, and either the spec and what becomes of it, or what is said.
type Case<'a> = (&'a [&'a str], &'a str, i32, &'a [&'a str]);

#[test]
fn a_word_means_one_thing() {
    let s = Sandbox::new();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s.write("repo/jot.md", EXAMPLE);
    s.write("repo/wish.md", titled("Wish"));
    s.write("repo/closed.md", titled("Closed"));
    s.write("repo/drafted.md", titled("Drafted"));
    s.write("repo/empty.md", "");
    s.write("repo/prose.txt", "A tool that counts the words of a file.\n");
    s.write("repo/huge.md", vec![b'x'; (16 << 20) + 1]);
    s.write("repo/folder/in.md", titled("In a folder"));
    s.otto(&["run", "--yes", "jot.md"]).exits(0);
    s.otto(&["compile", "drafted.md"]).exits(0);
    s.otto(&["compile", "closed.md"]).exits(0);
    s.otto(&["approve", "--yes", "closed"]).exits(0);
    s.otto(&["close", "closed"]).exits(0);
    // A file of the name of a spec, and what that file says.
    s.write("repo/jot", titled("In the file"));
    let run = s.git(&["for-each-ref", "--format=%(refname:lstrip=3)", "refs/otto/runs"]);
    let wish = titled("On standard input");
    let prose = "an agent compiles prose";
    let cases: &[Case<'_>] = &[
        (&["jot"], "", 0, &["jot", "nothing"]),
        (&["./jot"], "", 0, &["in-the-file", "ask"]),
        (&["jot.md"], "", 0, &["jot", "nothing"]),
        (&["wish.md"], "", 0, &["wish", "ask"]),
        (&["folder/in.md"], "", 0, &["in-a-folder", "ask"]),
        (&["--id", "mine", "wish.md"], "", 0, &["mine", "ask"]),
        (&["--id", "jot", "wish.md"], "", 0, &["jot", "amend"]),
        (&["-"], &wish, 0, &["on-standard-input", "ask"]),
        (&["drafted"], "", 0, &["drafted", "ask"]),
        (&["closed"], "", 8, &["the spec closed is closed", "--id <id>"]),
        (&["closed.md"], "", 8, &["the spec closed is closed", "--id <id>"]),
        (&["--text", "jot"], "", 2, &[prose]),
        (&["--text", "-"], "Count words.", 2, &[prose]),
        (&["A tool that counts the words of a file"], "", 2, &[prose]),
        (&["prose.txt"], "", 2, &[prose]),
        (&["gone.md"], "", 2, &["\"gone.md\" is neither a file nor a spec", "git otto status"]),
        (&["./gone"], "", 2, &["\"./gone\" is neither a file nor a spec"]),
        (&["drafed"], "", 2, &["\"drafed\" is neither a file nor a spec", "git otto run drafted"]),
        (&["folder"], "", 2, &["\"folder\" is a folder"]),
        (&[&run], "", 2, &["is a run", "git otto resume jot-"]),
        (&["empty.md"], "", 3, &["an intent begins with its title"]),
        (&["-"], "", 3, &["an intent begins with its title"]),
        (&["  "], "", 3, &["is empty, and an intent says what is wanted"]),
        (&["--text", "-"], "\n", 3, &["<stdin> is empty"]),
        (&["huge.md"], "", 3, &["16 MiB"]),
        (&["--id", "Not An Id", "wish.md"], "", 2, &["--id"]),
        (&["--kind", "cli", "wish.md"], "", 2, &["--kind"]),
    ];
    let before = s.git(&["for-each-ref"]);
    let mut wrong = Vec::new();
    for (args, input, code, says) in cases {
        let args: Vec<&str> = ["--json", "run", "-n"].iter().chain(*args).copied().collect();
        let out = s.otto_with(&args, &[], Some(input.as_bytes()));
        let right = out.code == *code
            && match code {
                0 => {
                    let answer = out.json();
                    says.iter().copied().eq([&answer["spec"], &answer["would"]].map(|v| v.as_str().unwrap_or_default()))
                }
                _ => says.iter().all(|part| out.stderr.contains(&part.replace('"', "\\\""))),
            };
        if !right {
            wrong.push(format!("{args:?}: exit {}, {}{}", out.code, out.stdout, out.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(s.git(&["for-each-ref"]), before, "something was written");
}
