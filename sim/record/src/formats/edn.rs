//! A reader of EDN (github.com/edn-format/edn), the notation of Clojure's data, as far as histories need it.
//!
//! Every value knows where it stands. Tags and metadata are skipped, numbers stay text: a history compares values, and
//! does not calculate with them.

use crate::{limits::EDN_DEPTH_MAX, lines::Malformed};
use std::borrow::Cow;

/// One value, and where it stands: a position in the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edn<'a> {
    pub(super) at: usize,
    pub(super) form: Form<'a>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    Nil,
    Text(Cow<'a, str>),
    /// Without the colon.
    Keyword(&'a str),
    /// Numbers, booleans, characters and symbols, as they are written.
    Word(&'a str),
    /// Vectors and lists.
    Sequence(Vec<Edn<'a>>),
    Set,
    Map(Vec<(Edn<'a>, Edn<'a>)>),
}

/// Reads the values of a text, one after the other. A sequence that is the outermost value is entered: its elements are
/// what is read, so that a history of a million maps in one vector is not held twice.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The bracket that ends the outermost sequence, if one was entered, and where that began.
    outermost: Option<(u8, usize)>,
    places: Places<'a>,
}

/// Turns positions into lines and columns. They are asked for in rising order, but for errors.
struct Places<'a> {
    text: &'a str,
    line: usize,
    line_start: usize,
    seen: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let places = Places { text, line: 1, line_start: 0, seen: 0 };
        Self { text, at: 0, outermost: None, places }
    }

    /// The next value, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Edn<'a>>, Malformed> {
        loop {
            self.skip_blank()?;
            match (self.peek(), self.outermost) {
                (None, None) => return Ok(None),
                (None, Some((closer, at))) => {
                    let reason = format!("the text ends before the `{}`", char::from(closer));
                    let (line, _) = self.place(at);
                    return Err(self.object(
                        self.at,
                        format!("{reason} that closes what begins in line {line}: it was cut off"),
                    ));
                }
                (Some(b'['), None) => self.outermost = Some((b']', self.at)),
                (Some(b'('), None) => self.outermost = Some((b')', self.at)),
                (Some(found), Some((closer, _))) if found == closer => self.outermost = None,
                (Some(_), _) => return self.value(0).map(Some),
            }
            self.at += 1;
        }
    }

    /// Line and column of a position, from 1.
    pub(super) fn place(&mut self, at: usize) -> (usize, usize) {
        self.places.of(at)
    }

    pub(super) fn object(&mut self, at: usize, reason: impl Into<String>) -> Malformed {
        let (line, column) = self.place(at);
        Malformed::new(line, column, reason)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes white space, commas, comments and discarded values.
    fn skip_blank(&mut self) -> Result<(), Malformed> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with(';') {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("#_") {
                self.at += 2;
                self.value(0)?;
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Edn<'a>, Malformed> {
        self.skip_tags(depth)?;
        let at = self.at;
        if depth > EDN_DEPTH_MAX {
            let reason = format!("the value is nested deeper than {EDN_DEPTH_MAX}");
            return Err(self.object(at, reason));
        }
        let Some(first) = self.peek() else {
            return Err(self.object(at, "the text ends where a value was expected: it was cut off"));
        };
        self.at += 1;
        let form = match first {
            b'[' => Form::Sequence(self.until(b']', at, depth)?),
            b'(' => Form::Sequence(self.until(b')', at, depth)?),
            b'{' => Form::Map(self.pairs(at, depth)?),
            b'#' => {
                // `skip_tags` leaves only sets.
                self.at += 1;
                self.until(b'}', at, depth)?;
                Form::Set
            }
            b'"' => Form::Text(self.string(at)?),
            b'\\' => Form::Word(self.character(at)),
            b']' | b')' | b'}' => {
                let reason = format!("`{}` closes nothing", char::from(first));
                return Err(self.object(at, reason));
            }
            b':' => Form::Keyword(self.word(at + 1)),
            _ => match self.word(at) {
                "nil" => Form::Nil,
                word => Form::Word(word),
            },
        };
        Ok(Edn { at, form })
    }

    /// Passes `#tag` before a value; what a tag means is for Clojure.
    fn skip_tags(&mut self, depth: usize) -> Result<(), Malformed> {
        self.skip_blank()?;
        let mut tags = depth;
        while self.peek() == Some(b'#') && self.text.as_bytes().get(self.at + 1) != Some(&b'{') {
            let at = self.at;
            self.at += 1;
            tags += 1;
            // `##Inf` is a number, of which nothing is lost here.
            while self.peek() == Some(b'#') {
                self.at += 1;
            }
            if self.word(self.at).is_empty() || tags > EDN_DEPTH_MAX {
                return Err(self.object(at, "`#` is followed by no tag"));
            }
            self.skip_blank()?;
        }
        Ok(())
    }

    fn until(&mut self, closer: u8, at: usize, depth: usize) -> Result<Vec<Edn<'a>>, Malformed> {
        let mut values = Vec::new();
        loop {
            self.skip_blank()?;
            match self.peek() {
                None => return Err(self.unclosed(closer, at)),
                Some(found) if found == closer => {
                    self.at += 1;
                    return Ok(values);
                }
                Some(_) => values.push(self.value(depth + 1)?),
            }
        }
    }

    fn pairs(&mut self, at: usize, depth: usize) -> Result<Vec<(Edn<'a>, Edn<'a>)>, Malformed> {
        let mut values = self.until(b'}', at, depth)?.into_iter();
        let mut pairs = Vec::with_capacity(values.len() / 2);
        while let Some(key) = values.next() {
            let Some(value) = values.next() else {
                return Err(self.object(key.at, "the last key of the map has no value"));
            };
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    fn unclosed(&mut self, closer: u8, at: usize) -> Malformed {
        let (line, column) = self.place(at);
        let closer = char::from(closer);
        let (end, _) = self.place(self.text.trim_end().len());
        if line < end {
            // More follows, so what is wrong is here.
            return Malformed::new(line, column, format!("what begins here has no `{closer}`"));
        }
        let reason = format!(
            "the text ends before the `{closer}` that closes what begins at {line}:{column}: it was cut off"
        );
        self.object(self.text.len(), reason)
    }

    fn string(&mut self, at: usize) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at;
        let mut plain: Option<String> = None;
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = rest.find(['"', '\\']) else { return Err(self.unclosed(b'"', at)) };
            if let Some(plain) = &mut plain {
                plain.push_str(&rest[..stop]);
            }
            let is_end = rest[stop..].starts_with('"');
            self.at += stop + 1;
            if is_end {
                let whole = &self.text[start..self.at - 1];
                return Ok(plain.map_or(Cow::Borrowed(whole), Cow::Owned));
            }
            let mut owned = plain.unwrap_or_else(|| self.text[start..self.at - 1].to_owned());
            owned.push(self.escaped(at)?);
            plain = Some(owned);
        }
    }

    /// The character that stands behind a backslash in a string.
    fn escaped(&mut self, at: usize) -> Result<char, Malformed> {
        let escape = self.at - 1;
        let Some(found) = self.text[self.at..].chars().next() else {
            return Err(self.unclosed(b'"', at));
        };
        self.at += found.len_utf8();
        Ok(match found {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' => found,
            'u' => {
                let digits = self.text.get(self.at..self.at + 4);
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let Some(code) = code else {
                    return Err(self.object(escape, "expected four hexadecimal digits after `\\u`"));
                };
                self.at += 4;
                // Half a pair of surrogates stands for no character.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.object(escape, "no such escape in a string")),
        })
    }

    fn character(&mut self, at: usize) -> &'a str {
        if let Some(first) = self.text[self.at..].chars().next() {
            self.at += first.len_utf8();
        }
        self.word(self.at);
        &self.text[at..self.at]
    }

    /// What stands from `start` to the next delimiter.
    fn word(&mut self, start: usize) -> &'a str {
        let is_end = |c: char| {
            c.is_whitespace() || matches!(c, ',' | '"' | ';' | '\\') || "[](){}".contains(c)
        };
        let rest = &self.text[start..];
        let length = rest.find(is_end).unwrap_or(rest.len());
        self.at = start + length;
        &rest[..length]
    }
}

impl Places<'_> {
    fn of(&mut self, at: usize) -> (usize, usize) {
        if at < self.seen {
            (self.line, self.line_start, self.seen) = (1, 0, 0);
        }
        let bytes = &self.text.as_bytes()[self.seen..at];
        for (offset, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            self.line += 1;
            self.line_start = self.seen + offset + 1;
        }
        self.seen = at;
        (self.line, at - self.line_start + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Form<'_>>, Malformed> {
        let mut reader = Reader::new(text);
        let mut forms = Vec::new();
        while let Some(value) = reader.next()? {
            forms.push(value.form);
        }
        Ok(forms)
    }

    #[test]
    fn each_kind_of_value_is_read() {
        let text = "nil true, -12 4.5M \\newline foo/bar ; a comment\n:a/b \"x\\n\\u0041\" #{1 2} #_ [1] {:k 1}";
        let forms = read(text).unwrap();
        let words = ["true", "-12", "4.5M", "\\newline", "foo/bar"].map(Form::Word);
        assert_eq!(forms[0], Form::Nil);
        assert_eq!(forms[1..6], words);
        assert_eq!(forms[6], Form::Keyword("a/b"));
        assert_eq!(forms[7], Form::Text("x\nA".into()));
        assert_eq!(forms[8], Form::Set);
        let Form::Map(pairs) = &forms[9] else { panic!("{forms:?}") };
        assert_eq!((&pairs[0].0.form, &pairs[0].1.form), (&Form::Keyword("k"), &Form::Word("1")));
        assert_eq!(forms.len(), 10);
    }

    #[test]
    fn the_outermost_vector_is_entered_and_tags_are_skipped() {
        let forms = read("[#jepsen.history.Op{:f #inst \"2026\"} (1 [2])]\n[3]").unwrap();
        assert!(matches!(forms[0], Form::Map(_)));
        assert!(matches!(&forms[1], Form::Sequence(values) if values.len() == 2));
        assert_eq!(forms[2], Form::Word("3"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, line, column, reason) in [
            ("{:a 1\n :b}", 2, 2, "the last key of the map has no value"),
            ("1\n  ]", 2, 3, "`]` closes nothing"),
            ("[{:a 1}\n", 2, 1, "before the `]` that closes what begins in line 1"),
            ("{:a 1}\n{:a {:b 2}\n{:a 3}\n", 2, 1, "what begins here has no `}`"),
            ("{:a [1 2", 1, 9, "before the `]` that closes what begins at 1:5"),
            ("\"abc", 1, 5, "before the `\"` that closes what begins at 1:1"),
            ("\"a\\q\"", 1, 3, "no such escape"),
            ("\"\\u00g0\"", 1, 2, "four hexadecimal digits"),
            ("# ", 1, 1, "followed by no tag"),
            ("#a", 1, 3, "a value was expected"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error:?}");
            assert!(error.reason.contains(reason), "{text}: {error:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(&deep).unwrap_err().reason.contains("nested deeper"));
        let tagged = "#a ".repeat(100_000);
        assert!(read(&tagged).is_err());
    }
}
