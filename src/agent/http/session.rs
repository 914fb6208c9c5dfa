//! Conversations that outlive a call, a file each: one line of JSON for each whole turn, with the tokens that it took,
//! appended and made durable before the next turn is paid for. A line that a crash cut off was no whole turn, and is
//! dropped. What the file counts beyond the ledger is what a dead process did not come to account for.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    super::{Call, Event},
    secrets::Secrets,
    talk::{Message, Tokens},
};
use crate::base::{World, json};

/// The largest conversation that is continued, bytes.
const LARGEST: u64 = 64 << 20;

/// A conversation, with what was said in it so far.
pub struct Conversation {
    /// Its name.
    pub id: String,
    /// All messages.
    pub messages: Vec<Message>,
    /// How many of them were there before this call.
    pub before: usize,
    /// What it took so far, all in all.
    pub tokens: Tokens,
    /// What of it is in the ledger.
    spent: Tokens,
    file: PathBuf,
    /// How many messages are kept, how many tokens are, and how many bytes that is.
    kept: usize,
    counted: Tokens,
    size: u64,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Turn {
    messages: Vec<Message>,
    tokens: Tokens,
}

/// What is in a file.
#[derive(Default)]
struct Kept {
    messages: Vec<Message>,
    tokens: Tokens,
    size: u64,
}

impl Conversation {
    /// Takes up the call's conversation, or begins one; says so where the one to be continued is lost.
    pub fn open(world: &World, call: &Call<'_>) -> io::Result<Conversation> {
        let id = match call.session.id.as_deref().filter(|id| is_name(id)) {
            Some(id) => id.to_owned(),
            None => world.ids.hex(32)?,
        };
        let file = call.sessions.join(format!("{id}.jsonl"));
        let mut found = Kept::default();
        if call.session.begun {
            match load(&file) {
                Ok(Kept { size: 0, .. }) => {
                    (call.notice)(Event::Text("The conversation so far is lost: it begins anew.".into()));
                }
                Ok(kept) => found = kept,
                Err(e) => (call.notice)(Event::Text(format!("The conversation so far is lost ({e}): it begins anew."))),
            }
        }
        let Kept { messages, tokens: counted, size } = found;
        let spent = Tokens { input: call.session.spent.input_tokens, output: call.session.spent.output_tokens };
        let (kept, tokens) = (messages.len(), counted.at_least(spent));
        Ok(Conversation { id, messages, before: kept, tokens, spent, file, kept, counted, size })
    }

    /// What it took that is in no ledger yet.
    pub fn unpaid(&self) -> Tokens {
        self.tokens.less(self.spent)
    }

    /// Keeps what was said and taken since the last time, as one turn, without secrets.
    pub fn keep(&mut self, secrets: &Secrets) -> io::Result<()> {
        let messages = self.messages.iter().skip(self.kept).map(|m| secrets.message(m)).collect();
        let turn = Turn { messages, tokens: self.tokens.less(self.counted) };
        let mut line = serde_json::to_vec(&turn).map_err(io::Error::other)?;
        line.push(b'\n');
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&self.file)?;
        // What lies behind the last whole turn was cut off by a crash, or belongs to a conversation that is given up.
        file.set_len(self.size)?;
        file.seek(io::SeekFrom::Start(self.size))?;
        file.write_all(&line)?;
        file.sync_all()?;
        if self.size == 0 {
            File::open(folder)?.sync_all()?;
        }
        self.size += line.len() as u64;
        self.kept = self.messages.len();
        self.counted = self.tokens;
        Ok(())
    }
}

/// Names come from records, which others may have written: none leaves the folder.
fn is_name(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// What all whole turns hold, and how many bytes these take.
fn load(file: &Path) -> io::Result<Kept> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is too long"));
    }
    let mut kept = Kept::default();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        let Ok(turn) = json::read::<Turn>(whole, json::Limits::RECORD) else { break };
        kept.messages.extend(turn.messages);
        kept.tokens.add(turn.tokens);
        kept.size += line.len() as u64;
    }
    Ok(kept)
}
