//! What a model wants done, in the tools that the program at hand offers.

use serde_json::{Value, json};

use super::{Call, Turn};

impl Turn {
    /// A call that runs a command in a shell.
    ///
    /// # Panics
    /// If the program offers no tool for it.
    pub fn run(&self, command: &str) -> Call {
        let script = json!({"command": command, "description": "Run a command"});
        self.pick(&[
            // Claude Code, OpenCode and Gemini CLI.
            ("Bash", script.clone()),
            ("bash", script.clone()),
            ("run_shell_command", script.clone()),
            // Codex, by version and model.
            ("exec_command", json!({"cmd": command})),
            ("shell_command", json!({"command": command})),
            ("shell", json!({"command": ["bash", "-c", command]})),
            // Agents over HTTP.
            ("run", json!({"command": command})),
        ])
    }

    /// A call that writes a file, whether it exists or not; the path is relative to the folder where the program works.
    ///
    /// # Panics
    /// If the program offers no tool for it.
    pub fn write(&self, path: &str, content: &str) -> Call {
        let names = ["Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell"];
        if self.tools.iter().any(|t| names.contains(&t.as_str())) {
            return self.run(&script(path, content));
        }
        self.write_by_tool(path, content)
    }

    /// The same with a tool made for it, which only writes files that the program has seen or that do not exist.
    ///
    /// # Panics
    /// If the program offers no tool for it.
    pub fn write_by_tool(&self, path: &str, content: &str) -> Call {
        let full = self.folder().map_or_else(|| path.to_owned(), |folder| format!("{folder}/{path}"));
        let whole = json!({"file_path": full, "content": content});
        // OpenCode and agents over HTTP have the name in common, and only the latter call their shell "run".
        let ours = self.tools.iter().any(|t| t == "run");
        let write = if ours {
            json!({"path": path, "content": content})
        } else {
            json!({"filePath": full, "content": content})
        };
        self.pick(&[
            ("Write", whole.clone()),
            ("write_file", whole),
            ("write", write),
            ("apply_patch", Value::String(patch(path, content))),
        ])
    }

    /// The folder where the program works, if it tells the model.
    pub fn folder(&self) -> Option<String> {
        let said = format!("{}\n{}", self.system, self.text);
        let marks = [("<cwd>", "</cwd>"), ("orking directory: ", "\n"), ("current working directory is: ", "\n")];
        let found = marks.iter().find_map(|(from, to)| said.split_once(from)?.1.split(to).next());
        found.map(|folder| folder.trim().trim_matches('`').to_owned())
    }

    fn pick(&self, ways: &[(&str, Value)]) -> Call {
        let way = ways.iter().find(|(name, _)| self.tools.iter().any(|t| t == name));
        let (name, input) = way.unwrap_or_else(|| panic!("none of the tools does this: {:?}", self.tools));
        Call { name: (*name).to_owned(), input: input.clone() }
    }
}

/// Writes a file and the folders above it in a shell.
fn script(path: &str, content: &str) -> String {
    let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    format!("mkdir -p {} && printf %s {} > {}", quoted(folder), quoted(content), quoted(path))
}

/// Adds a file in the notation of `apply_patch`.
fn patch(path: &str, content: &str) -> String {
    let lines: String = content.lines().map(|l| format!("+{l}\n")).collect();
    format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n")
}
