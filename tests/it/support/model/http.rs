//! As much of HTTP/1.1 as clients of models use: requests with a length or in chunks, one after the other.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use super::{Fault, Shared};

/// A request that was read whole.
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the next request; nothing if the client has none.
///
/// What is buffered beyond it is lost: a client does not send a request before it has the answer to the last one.
pub fn read(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut from = BufReader::new(stream);
    let first = line(&mut from)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Request { method, path, headers: Vec::new(), body: Vec::new() };
    loop {
        let line = line(&mut from)?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
        (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = u64::from_str_radix(line(&mut from)?.trim(), 16).map_err(io::Error::other)?;
            from.by_ref().take(size).read_to_end(&mut request.body)?;
            line(&mut from)?;
            if size == 0 {
                break;
            }
        }
    } else {
        let size = request.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
        from.take(size).read_to_end(&mut request.body)?;
    }
    Ok(Some(request))
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Answers with a whole body.
pub fn whole(
    to: &TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &str,
    fault: Option<Fault>,
    server: &Shared,
) -> io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    (&mut &*to).write_all((head + "\r\n").as_bytes())?;
    deliver(to, body.as_bytes(), fault, server, &mut 0)
}

/// Answers with a stream of server-sent events, each in a chunk of its own.
pub fn stream(to: &TcpStream, frames: &[String], fault: Option<Fault>, server: &Shared) -> io::Result<()> {
    let head = "HTTP/1.1 200 \r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    (&mut &*to).write_all(head.as_bytes())?;
    let mut sent = 0;
    for frame in frames {
        (&mut &*to).write_all(format!("{:x}\r\n", frame.len()).as_bytes())?;
        deliver(to, frame.as_bytes(), fault, server, &mut sent)?;
        (&mut &*to).write_all(b"\r\n")?;
    }
    (&mut &*to).write_all(b"0\r\n\r\n")
}

/// Sends a part of a body as the fault says; `sent` counts the bytes of the body so far.
fn deliver(mut to: &TcpStream, part: &[u8], fault: Option<Fault>, server: &Shared, sent: &mut usize) -> io::Result<()> {
    let left = match fault {
        Some(Fault::Cut(after)) => after.saturating_sub(*sent).min(part.len()),
        _ => part.len(),
    };
    *sent += left;
    match fault {
        Some(Fault::Drip(bytes, pause)) => {
            for piece in part.chunks(bytes) {
                to.write_all(piece)?;
                if !server.pause(pause) {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
        _ => to.write_all(&part[..left])?,
    }
    if left < part.len() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
}

/// Waits until the client gives up, or the server stops.
pub fn until_closed(mut from: &TcpStream) -> io::Result<()> {
    while from.read(&mut [0; 64])? > 0 {}
    Ok(())
}
