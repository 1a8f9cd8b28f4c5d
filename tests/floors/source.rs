//! A source file as the rules see it: the paths in its code, each with its line.

/// One file under `src/`.
pub(crate) struct Source {
    name: String,
    text: String,
    paths: Vec<CodePath>,
    test_modules: Vec<String>,
}

/// A path as written (`crate::scim::Filter`), with groups of imports taken apart.
pub(crate) struct CodePath {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl Source {
    /// Reads a file; `name` is relative to the repository.
    pub(crate) fn read(name: String, text: String) -> Self {
        let mut tokens = tokens(&text);
        let test_modules = set_tests_aside(&mut tokens);
        let paths = paths(&tokens);
        Self {
            name,
            text,
            paths,
            test_modules,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn paths(&self) -> &[CodePath] {
        &self.paths
    }

    /// Where the file stands in the tree of modules: `src/scim/parse.rs` is `[scim, parse]`.
    pub(crate) fn modules(&self) -> Vec<String> {
        let inner = self.name.trim_start_matches("src/").trim_end_matches(".rs");
        let mut modules: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(
            modules.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            modules.pop();
        }
        modules
    }

    /// What comes after the crate's root in a path that leads there, by `crate` or by `super`.
    pub(crate) fn within_crate<'p>(&self, path: &'p CodePath) -> Option<&'p [String]> {
        let supers = path.segments.iter().take_while(|s| *s == "super").count();
        let root = path.segments.first().is_some_and(|s| s == "crate");
        if root {
            Some(&path.segments[1..])
        } else if supers > 0 && supers >= self.modules().len() {
            Some(&path.segments[supers..])
        } else {
            None
        }
    }

    /// The files that a `#[cfg(test)] mod name;` may refer to.
    pub(crate) fn files_of_tests(&self) -> Vec<String> {
        let folder = format!("src/{}", self.modules().join("/"));
        let folder = folder.trim_end_matches('/');
        let both = |name: &String| {
            [
                format!("{folder}/{name}.rs"),
                format!("{folder}/{name}/mod.rs"),
            ]
        };
        self.test_modules.iter().flat_map(both).collect()
    }
}

impl CodePath {
    /// Whether the path starts or ends with these segments.
    pub(crate) fn names(&self, wanted: &str) -> bool {
        let wanted: Vec<&str> = wanted.split("::").collect();
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        segments.starts_with(&wanted) || (wanted.len() > 1 && segments.ends_with(&wanted))
    }
}

/// A word, `::`, or one other character.
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The code without comments, strings, characters and white space.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line) = (0, 1);
    let mut found = Vec::new();
    while i < chars.len() {
        let start = i;
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = end_of_comment(&chars, i);
        } else if let Some(end) = end_of_raw_string(&chars, i) {
            i = end;
        } else if c == '"' || (matches!(c, 'b' | 'c') && at(i + 1) == '"') {
            i = end_of_quoted(&chars, if c == '"' { i } else { i + 1 }, '"');
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i = end_of_quoted(&chars, i, '\'');
        } else if c.is_alphabetic() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let text = chars[start..i].iter().collect();
            found.push(Token { text, line });
        } else if c == ':' && at(i + 1) == ':' {
            i += 2;
            let text = "::".to_owned();
            found.push(Token { text, line });
        } else {
            i += 1;
            if !c.is_whitespace() {
                let text = c.to_string();
                found.push(Token { text, line });
            }
        }
        line += chars[start..i.min(chars.len())]
            .iter()
            .filter(|c| **c == '\n')
            .count();
    }
    found
}

fn end_of_comment(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

/// The end of a raw string that starts here, if one does: `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`.
fn end_of_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let mut i = start;
    if matches!(chars.get(i), Some('b' | 'c')) {
        i += 1;
    }
    (chars.get(i) == Some(&'r')).then_some(())?;
    i += 1;
    let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
    i += hashes;
    (chars.get(i) == Some(&'"')).then_some(())?;
    i += 1;
    while i < chars.len() {
        let closing = chars[i..].iter().skip(1).take_while(|c| **c == '#').count();
        if chars[i] == '"' && closing >= hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(i)
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Removes every item under `#[cfg(test)]`; returns the modules among them that are files.
fn set_tests_aside(tokens: &mut Vec<Token>) -> Vec<String> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut modules = Vec::new();
    let mut i = 0;
    while i + ATTRIBUTE.len() <= tokens.len() {
        if !(0..ATTRIBUTE.len()).all(|k| tokens[i + k].is(ATTRIBUTE[k])) {
            i += 1;
            continue;
        }
        let end = end_of_item(tokens, i + ATTRIBUTE.len());
        let item = &tokens[i + ATTRIBUTE.len()..end];
        if let [.., module, name, last] = item
            && module.is("mod")
            && last.is(";")
        {
            modules.push(name.text.clone());
        }
        tokens.drain(i..end);
    }
    modules
}

/// Behind the first `;` or `{…}` that stands in no bracket.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_i32;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return i + 1,
            "}" | ")" | "]" => depth -= 1,
            ";" if depth == 0 => return i + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn paths(tokens: &[Token]) -> Vec<CodePath> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if tokens[i].is_word() && !(i > 0 && tokens[i - 1].is("::")) {
            i = path(tokens, i, &[], &mut found);
        } else {
            i += 1;
        }
    }
    found
}

/// Reads one path, groups and all, behind `prefix`; returns where it ends.
fn path(tokens: &[Token], start: usize, prefix: &[String], found: &mut Vec<CodePath>) -> usize {
    let line = tokens[start].line;
    let mut segments = prefix.to_vec();
    let mut i = start;
    while let Some(token) = tokens.get(i) {
        if token.is("{") {
            return group(tokens, i + 1, &segments, found);
        }
        if !(token.is_word() || token.is("*") && i > start) {
            break;
        }
        segments.push(token.text.clone());
        i += 1;
        if !tokens.get(i).is_some_and(|t| t.is("::")) {
            break;
        }
        i += 1;
    }
    found.push(CodePath { segments, line });
    i.max(start + 1)
}

fn group(tokens: &[Token], start: usize, prefix: &[String], found: &mut Vec<CodePath>) -> usize {
    let mut i = start;
    while let Some(token) = tokens.get(i) {
        if token.is("}") {
            return i + 1;
        }
        if token.is_word() && !tokens[i - 1].is("as") && !token.is("as") {
            i = path(tokens, i, prefix, found);
        } else {
            i += 1;
        }
    }
    i
}
