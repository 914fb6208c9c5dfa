//! The same over every transport that git has: a path, `file://`, ssh through a real server, http through git's own backend.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use super::*;
use crate::support::Running;

/// Two clones of a remote at that address amend at once and come together.
fn goes_round(s: &Sandbox, url: &str, vars: &[(&str, &str)]) {
    let otto = |dir: &str, args: &[&str]| {
        let mut command = s.otto_command(dir, args);
        s.spawn(command.envs(vars.iter().copied()), None).wait()
    };
    s.git(&["remote", "set-url", "origin", url]);
    s.git_in(".", &["clone", "-q", "hub.git", "other"]);
    s.git_in("other", &["remote", "set-url", "origin", url]);
    otto("other", &["fetch"]).exits(0);
    amend(s, "repo", "Longer.", &["/slices/0/checks/0/timeout_s=77"]);
    amend(s, "other", "Clearer.", &["/slices/1/title=Another title"]);
    otto("repo", &["push"]).exits(0);
    otto("other", &["push"]).exits(0);
    otto("repo", &["sync"]).exits(0);
    assert_eq!(tip(s, "repo"), tip(s, "other"), "{url}");
    assert_eq!(tip(s, "repo"), tip(s, "hub.git"), "{url}");
    let nothing = otto("other", &["sync"]).exits(0);
    assert!(nothing.stdout.contains("nothing new"), "{nothing}");
}

#[test]
fn by_path_and_file_url() {
    for scheme in ["", "file://"] {
        let s = shared();
        goes_round(&s, &format!("{scheme}{}", s.path("hub.git").display()), &[]);
    }
}

/// Where there is no ssh server this says so and passes, unless `GIT_OTTO_REQUIRE_SSH` is set.
#[test]
fn over_ssh() {
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"].map(PathBuf::from);
    let Some(sshd) = places.into_iter().find(|p| p.exists()) else {
        assert!(std::env::var_os("GIT_OTTO_REQUIRE_SSH").is_none(), "there is no ssh server");
        eprintln!("no ssh server is installed, and sharing over ssh is not tested");
        return;
    };
    let s = shared();
    let server = Sshd::start(&s, &sshd);
    goes_round(&s, &server.url, &[("GIT_SSH_COMMAND", &server.command)]);
}

#[test]
fn over_http() {
    let s = shared();
    let url = http(&s);
    goes_round(&s, &url, &[]);
}

/// An ssh server on loopback with keys of its own; it ends with the value.
struct Sshd {
    url: String,
    command: String,
    running: Option<Running>,
}

impl Sshd {
    fn start(s: &Sandbox, sshd: &Path) -> Sshd {
        for key in ["host", "user"] {
            let path = s.path(key);
            let mut keygen = s.command("ssh-keygen", ".");
            s.spawn(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path), None).wait().exits(0);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| s.path(name).display().to_string();
        let mut config = format!("Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\n", at("host"));
        writeln!(config, "AuthorizedKeysFile {}\nStrictModes no\nUsePAM no", at("user.pub")).unwrap();
        config += "PasswordAuthentication no\nPermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n";
        let config = s.write("sshd_config", config);
        let host = std::fs::read_to_string(s.path("host.pub")).unwrap();
        s.write("known_hosts", format!("[127.0.0.1]:{port} {host}"));
        let mut server = s.command(sshd, ".");
        let mut running = s.spawn(server.args(["-D", "-e", "-f"]).arg(config), None);
        let up = running.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        if !up {
            panic!("the ssh server does not start: {}", running.wait());
        }
        let who = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let command = format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={}",
            at("user"),
            at("known_hosts")
        );
        let url = format!("ssh://{}@127.0.0.1:{port}{}", who.trim(), at("hub.git"));
        Sshd { url, command, running: Some(running) }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}

/// Serves the sandbox over http through `git http-backend` (RFC 3875), until the test ends. Answers the hub's address.
fn http(s: &Sandbox) -> String {
    s.git_in("hub.git", &["config", "http.receivepack", "true"]);
    let (root, home) = (s.path("."), s.path("home"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hub.git", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (root, home) = (root.clone(), home.clone());
            thread::spawn(move || answer(stream.unwrap(), &root, &home));
        }
    });
    url
}

/// One request: no keeping alive, so that the end of the answer is the end of the connection.
fn answer(mut stream: TcpStream, root: &PathBuf, home: &PathBuf) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = Vec::new();
    if header("transfer-encoding") == "chunked" {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        body.resize(header("content-length").parse().unwrap_or(0), 0);
        reader.read_exact(&mut body).unwrap();
    }
    let (path, query) = words[1].split_once('?').unwrap_or((&words[1], ""));
    let mut backend = Command::new("git");
    backend.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    backend.envs([("HOME", home), ("GIT_PROJECT_ROOT", root)]).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.envs([("REQUEST_METHOD", words[0].as_str()), ("PATH_INFO", path), ("QUERY_STRING", query)]);
    backend.env("CONTENT_LENGTH", body.len().to_string()).env("CONTENT_TYPE", header("content-type"));
    backend.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("GIT_PROTOCOL", header("git-protocol"));
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = thread::spawn(move || stdin.write_all(&body));
    let out = child.wait_with_output().unwrap().stdout;
    let _ = feed.join();
    let end = out.windows(4).position(|w| w == b"\r\n\r\n").map_or(out.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&out[..end]).into_owned();
    let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{head}");
    let _ = stream.write_all(&out[end..]);
}
