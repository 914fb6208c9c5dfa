//! The one strict reader for JSON (RFC 8259): size, depth, duplicate keys and the range of integers are checked before
//! anything else sees a value. Every other reader goes through it.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a text may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes.
    pub size: usize,
    /// Nested arrays and objects.
    pub depth: usize,
}

impl Limits {
    /// For specs, records and packets: 16 MiB, 64 levels.
    pub const RECORD: Limits = Limits { size: 16 << 20, depth: 64 };
    /// For one line of a journal or of an agent's stream: 1 MiB, 64 levels.
    pub const LINE: Limits = Limits { size: 1 << 20, depth: 64 };
}

/// The largest integer that every JSON reader keeps exact (RFC 7493, I-JSON).
const MAX_SAFE: i64 = (1 << 53) - 1;

/// Why a text is no acceptable JSON; `line` and `column` count from 1, columns in bytes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}{}", if *.line > 0 { format!(" at line {line} column {column}") } else { String::new() })]
pub struct Error {
    /// What is wrong.
    pub what: String,
    /// The line, 0 where the whole text is meant.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl crate::base::Explain for Error {
    fn exit(&self) -> crate::base::Exit {
        crate::base::Exit::Invalid
    }
}

impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        let text = e.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned();
        Error { what, line: e.line(), column: e.column() }
    }
}

/// Parses one value; nothing but white space may follow it.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Value, Error> {
    let whole = |what: String| Error { what, line: 0, column: 0 };
    if bytes.len() > limits.size {
        return Err(whole(format!("{} bytes are more than the {} allowed", bytes.len(), limits.size)));
    }
    if let Err(e) = std::str::from_utf8(bytes) {
        let before = &bytes[..e.valid_up_to()];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        return Err(Error { what: "not UTF-8".into(), line, column });
    }
    let mut de = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: limits.depth }.deserialize(&mut de)?;
    de.end()?;
    Ok(value)
}

/// Parses one value into a type.
pub fn read<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, Error> {
    Ok(serde_json::from_value(parse(bytes, limits)?)?)
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Strict, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Strict { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Value, E> {
        if v.abs() > MAX_SAFE {
            return Err(E::custom(format!("the integer {v} is beyond ±(2^53−1)")));
        }
        Ok(v.into())
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Value, E> {
        if v > MAX_SAFE as u64 {
            return Err(E::custom(format!("the integer {v} is beyond ±(2^53−1)")));
        }
        Ok(v.into())
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        // An integer too long for 64 bits arrives here too: it cannot be told from a fraction that lost its digits.
        if v.fract() == 0.0 && v.abs() > MAX_SAFE as f64 {
            return Err(E::custom(format!("the number {v:e} is beyond ±(2^53−1)")));
        }
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element_seed(self.deeper()?)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if out.contains_key(&key) {
                let shown: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format!("the key {shown:?} stands twice in one object")));
            }
            let value = map.next_value_seed(self.deeper()?)?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { size: 200, depth: 3 };

    #[test]
    fn what_every_reader_reads_alike_is_accepted() {
        let v = parse(br#" {"a":[1,-2.5,null,true,"x"],"b":9007199254740991} "#, SMALL).unwrap();
        assert_eq!(v["b"], 9_007_199_254_740_991_u64);
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        let deep = "[".repeat(100_000);
        for (text, what) in [
            (&b"{\"a\":1,\n \"a\":2}"[..], "the key \"a\" stands twice in one object at line 2 column 4"),
            (b"9007199254740992", "beyond ±(2^53−1)"),
            (b"-9007199254740992", "beyond ±(2^53−1)"),
            (b"123456789012345678901234567890", "beyond ±(2^53−1)"),
            (b"1e400", "out of range"),
            (b"[[[[1]]]]", "nested too deeply"),
            (b"[1] 2", "trailing characters at line 1 column 5"),
            (b"\"a\n\"", "control character"),
            (b"", "EOF"),
            (b"[\n \"\xff\"]", "not UTF-8 at line 2 column 3"),
            (b"NaN", "expected"),
            (b"[1,]", "trailing comma"),
            (&[b' '; 201], "201 bytes are more than the 200 allowed"),
        ] {
            let e = parse(text, SMALL).unwrap_err().to_string();
            assert!(e.contains(what), "{}: {e}", String::from_utf8_lossy(text));
        }
        let e = parse(deep.as_bytes(), Limits::RECORD).unwrap_err().to_string();
        assert!(e.contains("nested too deeply"), "{e}");
    }
}
