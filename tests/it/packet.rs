//! The packet in all its forms, and the evidence that it stands on.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{EXAMPLE, Sandbox};

/// A repository in which the example was run, by a user whose browser notes what it is given; what the run said.
fn example() -> (Sandbox, Value, String) {
    let s = Sandbox::new();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s.write("jot.md", EXAMPLE);
    let answer = s.otto(&["run", "--yes", "--json", "../jot.md"]).exits(0);
    let answer = serde_json::from_str(answer.stdout.lines().last().unwrap()).unwrap();
    let browser = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> {}\n", s.path("opened").display());
    let browser = s.script("browser", &browser);
    (s, answer, format!("no-such-browser:{} -- %s --end", browser.display()))
}

fn text(s: &Sandbox, args: &[&str]) -> String {
    s.otto(args).exits(0).stdout
}

#[test]
fn a_packet_is_the_same_in_every_form_and_every_time() {
    let (s, answer, browser) = example();
    let run = answer["run"].as_str().unwrap();
    let before = s.snapshot();
    for (format, key) in [("md", "packet"), ("html", "packet_html"), ("json", "packet_json")] {
        let written = fs::read_to_string(answer[key].as_str().unwrap()).unwrap();
        assert_eq!(text(&s, &["report", "--format", format]), written, "{format}");
        assert_eq!(text(&s, &["report", "jot", "--format", format]), written, "{format}");
        let name = format!("../out.{format}");
        let said = text(&s, &["report", run, "-o", &name]);
        assert!(said.starts_with("wrote /") && said.ends_with(&format!("out.{format}\n")), "{said}");
        assert_eq!(fs::read_to_string(s.path(format!("out.{format}"))).unwrap(), written);
    }
    assert_eq!(text(&s, &["report"]), text(&s, &["show", run]));
    let packet: Value = serde_json::from_str(&text(&s, &["report", "--format", "json"])).unwrap();
    let result = &packet["checks"][0]["results"][0];
    assert_eq!(result["path"].as_str().unwrap().split('/').next(), packet["checks"][0]["slice"].as_str());
    let body = text(&s, &["report", "--pr"]);
    assert!(body.starts_with("# jot: passed\n") && body.contains("\n| ✓ | R1 "), "{body}");
    assert!(body.len() < text(&s, &["report"]).len(), "it is the short form");

    let json = s.otto(&["report", "--json"]).exits(0).json();
    assert_eq!((&json["schema"], &json["content"]), (&"otto.report/1".into(), &packet));
    let json = s.otto(&["report", "--json", "--pr"]).exits(0).json();
    assert_eq!((&json["format"], &json["content"]), (&"pr".into(), &body.into()));
    before.assert_same(&s.snapshot());

    // Elsewhere, from what was shared, the page has the same bytes.
    s.git(&["clone", "-q", ".", "../clone"]);
    s.git_in(
        "clone",
        &["fetch", "-q", "origin", "refs/otto/*:refs/otto/*", "refs/notes/*:refs/notes/*", "otto/jot:otto/jot"],
    );
    let elsewhere = s.otto_in("clone", &["report", "--format", "html"]).exits(0).stdout;
    assert_eq!(elsewhere, fs::read_to_string(s.path("out.html")).unwrap());

    // The user's browser opens the page; without one its place is said.
    let opened = s.otto_with(&["report", "--open"], &[("BROWSER", &browser)], None).exits(0);
    let page = answer["packet_html"].as_str().unwrap();
    assert_eq!(opened.stdout, format!("wrote {page}\n"));
    assert_eq!(fs::read_to_string(s.path("opened")).unwrap(), format!("--\n{page}\n--end\n"));
    let status = text(&s, &["status"]);
    assert!(status.contains(&format!("\npacket: git otto report {run} --open")), "{status}");
    s.otto(&["report", "-o", "no/such/folder.md"]).exits(2);
    let unknown = s.otto(&["report", "other"]).exits(2);
    assert!(unknown.stderr.contains("hint: git otto status"), "{unknown}");
}

#[test]
fn evidence_is_listed_read_and_taken_out() {
    let (s, answer, browser) = example();
    let run = answer["run"].as_str().unwrap();
    let packet: Value = serde_json::from_str(&text(&s, &["report", "--format", "json"])).unwrap();
    let json = s.otto(&["evidence", "list", "--json"]).exits(0).json();
    assert_eq!(json["schema"], "otto.evidence-list/1");
    let all = json["results"].as_array().unwrap();
    // Everything that the packet names is there, under the path that it says.
    let named = packet["checks"].as_array().unwrap().iter().flat_map(|c| c["results"].as_array().unwrap());
    let mut count = 0;
    for result in named {
        let found = all.iter().find(|l| l["blob"] == result["blob"]).unwrap_or_else(|| panic!("{result}"));
        assert_eq!((&found["path"], &found["cause"]), (&result["path"], &result["cause"]));
        count += 1;
    }
    assert!(count > 0 && all.len() >= count);
    let table = text(&s, &["evidence", "list", run]);
    assert_eq!(table.lines().count(), all.len() + 1, "{table}");
    assert!(table.starts_with("id          slice"), "{table}");
    let of_one = s.otto(&["evidence", "list", "jot", "front", "front-1", "--red", "--json"]).exits(0).json();
    let of_one = of_one["results"].as_array().unwrap();
    assert_eq!(
        (of_one.len(), &of_one[0]["round"]),
        (1, &"base".into()),
        "a new check is red on the base and nowhere else"
    );
    assert_eq!(text(&s, &["evidence", "list", "jot", "nobody"]), "none is such a result\n");

    // By check the last result is meant; by id and by path, just that one.
    let last = text(&s, &["evidence", "show", "front-1"]);
    assert!(last.starts_with("front-1: holds\n") && last.contains("\nround audit-1, "), "{last}");
    assert!(last.contains("\nstdout:\n    usage: "), "{last}");
    let (blob, path) = (of_one[0]["blob"].as_str().unwrap(), of_one[0]["path"].as_str().unwrap());
    let base = text(&s, &["evidence", "show", blob]);
    assert!(base.contains("\nround base for slice front, ") && base.contains(path), "{base}");
    for name in [&blob[..12], path, &format!("{path}/result.json")] {
        assert_eq!(text(&s, &["evidence", "show", name, run]), base, "{name}");
    }
    let raw = text(&s, &["evidence", "show", "front-1", "--stream", "stdout"]);
    assert_eq!(last.split_once("stdout:\n    ").unwrap().1, raw);
    let json = s.otto(&["evidence", "show", "front-1", "--json"]).exits(0).json();
    assert_eq!((&json["schema"], &json["stdout"]), (&"otto.evidence-show/1".into(), &raw.trim_end().into()));
    for unknown in ["front-9", "abcd", "front"] {
        let out = s.otto(&["evidence", "show", unknown]).exits(2);
        assert!(out.stderr.contains(&format!("hint: git otto evidence list {run}")), "{out}");
    }

    let folder = text(&s, &["evidence", "open", blob, "--no-open"]);
    let folder = Path::new(folder.trim_end());
    assert_eq!(s.git(&["hash-object", folder.join("result.json").to_str().unwrap()]), blob);
    let opened =
        s.otto_with(&["evidence", "open", "front-1", "--file", "stdout"], &[("BROWSER", &browser)], None).exits(0);
    let file = Path::new(opened.stdout.trim_end()).join("stdout");
    assert_eq!(fs::read_to_string(s.path("opened")).unwrap(), format!("--\n{}\n--end\n", file.display()));
    assert_eq!(fs::read_to_string(file).unwrap(), raw);
    let nothing = s.otto_with(&["evidence", "open", "front-1"], &[("PATH", &git_alone(&s))], None).exits(2);
    assert!(nothing.stderr.contains("nothing here opens files") && nothing.stderr.contains("BROWSER"), "{nothing}");
}

/// A PATH on which git is, and nothing that opens files.
fn git_alone(s: &Sandbox) -> String {
    fs::create_dir_all(s.path("bin")).unwrap();
    let all = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&all).map(|dir| dir.join("git")).find(|git| git.is_file()).unwrap();
    std::os::unix::fs::symlink(git, s.path("bin/git")).unwrap();
    s.path("bin").display().to_string()
}

/// A browser without a window, where one is installed.
fn chromium() -> Option<PathBuf> {
    let all = std::env::var_os("PATH").unwrap();
    let folders: Vec<PathBuf> = std::env::split_paths(&all).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().find_map(|name| folders.iter().map(|dir| dir.join(name)).find(|p| p.is_file()))
}

/// The page of a run whose intent and programs try to become markup, in a real browser: it loads nothing, its policy has
/// nothing to refuse, and what was written is read. Where there is no browser this says so and passes, unless
/// `GIT_OTTO_REQUIRE_CHROMIUM` is set.
#[test]
fn a_hostile_page_is_only_read_by_a_browser() {
    let Some(chromium) = chromium() else {
        assert!(std::env::var_os("GIT_OTTO_REQUIRE_CHROMIUM").is_none(), "there is no Chromium");
        eprintln!("no Chromium is installed, and the page is not opened in it");
        return;
    };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port();
    let evil = format!(
        "</p></style><script src=http://127.0.0.1:{port}/a.js></script><img src=http://127.0.0.1:{port}/b.png onerror=x()>"
    );
    let s = Sandbox::new();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    let word = "w".repeat(700);
    let intent = format!(
        "# Mark `{evil}` up\n\nA page with `{evil}` in it.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n\
         ## Slice `x`\n\n**R1** It prints `{evil}` and {word}.\n\nCheck: `./x` prints `fine`.\n\n\
         File `x`, executable:\n\n```sh\n#!/bin/sh\nprintf '%s\\n' '{evil}'\n```\n"
    );
    s.write("intent.md", intent);
    let out = s.otto(&["run", "--yes", "--json", "../intent.md"]);
    assert!(matches!(out.code, 4 | 5), "{out}");
    s.otto(&["report", "-o", "../page.html"]).exits(0);
    let page = fs::read_to_string(s.path("page.html")).unwrap();
    assert!(page.contains(&format!("127.0.0.1:{port}&#x2f;a.js")), "{page}");

    let open = |args: &[&str]| {
        let mut command = s.command(&chromium, "tmp");
        let common = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--enable-logging=stderr",
        ];
        command.args(common).arg(format!("--user-data-dir={}", s.path("profile").display())).args(args);
        command.arg(format!("file://{}", s.path("page.html").display()));
        s.spawn(&mut command, None).wait().exits(0)
    };
    let out = open(&["--dump-dom"]);
    assert!(!out.stderr.contains("CONSOLE"), "the browser complains: {out}");
    assert!(out.stdout.contains("&lt;script src=http://127.0.0.1"), "{out}");
    assert!(!out.stdout.contains("<script") && out.stdout.contains("</footer>"), "{out}");
    for (width, scheme) in [(390, 0), (1280, 1)] {
        let shot = s.path(format!("{width}.png"));
        let size = format!("--window-size={width},900");
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        open(&[&size, &scheme, &format!("--screenshot={}", shot.display())]);
        assert!(fs::read(&shot).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    }
    assert!(server.accept().is_err(), "the page asked a server for something");
}
