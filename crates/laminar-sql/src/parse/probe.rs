//! `l TEMPORAL PROBE JOIN r ON (keys) TIMESTAMPS (l_time, r_time) RANGE FROM … TO … STEP … | LIST (…) AS p` in a form that sqlparser reads: an ASOF JOIN
//! whose MATCH_CONDITION is a call with the name, the times and the offsets. `rewrite/temporal_probe.rs` reads that.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::asof::constraint_of;
use super::tokens::token_is_word;

/// `__probe(p, l_time, r_time, 'offset', …)`: offsets in milliseconds.
pub(super) const PROBE: &str = "__probe";

/// More offsets than these are not worth a row each.
pub(super) const OFFSETS_MAX: usize = 1_000;

/// Brings every TEMPORAL PROBE JOIN that is written whole into that form; another one stays as it is and is an error further on.
pub(super) fn with_calls(tokens: &mut Vec<TokenWithSpan>) {
    // From the end, so that what is still to be looked at stays where it is.
    for at in (0..tokens.len()).rev().filter(|at| token_is_word(&tokens[*at].token, "TEMPORAL")).collect::<Vec<_>>() {
        let probe = Reader { tokens, at: at + 1 }.join();
        if let Some((end, replaced)) = probe {
            tokens.splice(at..end, replaced);
        }
    }
}

struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl Reader<'_> {
    /// What stands in the place of the join, and where that ends.
    fn join(mut self) -> Option<(usize, Vec<TokenWithSpan>)> {
        self.word("PROBE")?;
        self.word("JOIN")?;
        let relation = self.at;
        let on = constraint_of(self.tokens, relation).filter(|on| token_is_word(&self.tokens[*on].token, "ON"))?;
        self.at = on + 1;
        let keys = self.brackets()?;
        self.word("TIMESTAMPS")?;
        let times = self.brackets()?;
        let offsets = self.offsets()?;
        let _ = self.word("AS");
        let name = self.tokens.get(self.at).filter(|token| matches!(token.token, Token::Word(_)))?.clone();
        let place = self.tokens[relation - 1].span;
        let made = |token: Token| TokenWithSpan { token, span: place };
        let mut made_of = vec![made(Token::make_keyword("ASOF")), made(Token::make_keyword("JOIN"))];
        made_of.extend_from_slice(&self.tokens[relation..on]);
        made_of.extend(
            [Token::make_keyword("MATCH_CONDITION"), Token::LParen, Token::make_word(PROBE, None), Token::LParen].map(made),
        );
        made_of.extend([name, made(Token::Comma)]);
        made_of.extend_from_slice(&self.tokens[times.0..times.1]);
        for offset in offsets {
            made_of.extend([made(Token::Comma), made(Token::SingleQuotedString(offset.to_string()))]);
        }
        made_of.extend([Token::RParen, Token::RParen, Token::make_keyword("ON"), Token::LParen].map(made));
        made_of.extend_from_slice(&self.tokens[keys.0..keys.1]);
        made_of.push(made(Token::RParen));
        Some((self.at + 1, made_of))
    }

    fn word(&mut self, word: &str) -> Option<()> {
        token_is_word(&self.tokens.get(self.at)?.token, word).then(|| self.at += 1)
    }

    fn token(&mut self, token: &Token) -> Option<()> {
        (self.tokens.get(self.at)?.token == *token).then(|| self.at += 1)
    }

    /// What stands between brackets, which begin here.
    fn brackets(&mut self) -> Option<(usize, usize)> {
        self.token(&Token::LParen)?;
        let (from, mut depth) = (self.at, 1_usize);
        while depth > 0 {
            match self.tokens.get(self.at)?.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        Some((from, self.at - 1))
    }

    /// In milliseconds, in the order in which they are written; one more than are allowed if there are more.
    fn offsets(&mut self) -> Option<Vec<i64>> {
        if self.word("LIST").is_some() {
            self.token(&Token::LParen)?;
            let mut offsets = vec![self.offset()?];
            while self.token(&Token::Comma).is_some() {
                offsets.push(self.offset()?);
            }
            self.token(&Token::RParen)?;
            return Some(offsets);
        }
        self.word("RANGE")?;
        self.word("FROM")?;
        let from = self.offset()?;
        self.word("TO")?;
        let to = self.offset()?;
        self.word("STEP")?;
        let step = self.offset()?.max(0);
        let next = |offset: &i64| offset.checked_add(step).filter(|next| step > 0 && *next <= to);
        Some(std::iter::successors((from <= to && step > 0).then_some(from), next).take(OFFSETS_MAX + 1).collect())
    }

    /// `5s`, `-100ms`, `0`, `INTERVAL '5' SECOND`, `INTERVAL '5 seconds'`.
    fn offset(&mut self) -> Option<i64> {
        let sign = if self.token(&Token::Minus).is_some() { -1 } else { 1 };
        let interval = self.word("INTERVAL").is_some();
        let text = match &self.tokens.get(self.at)?.token {
            Token::Number(digits, _) => digits.clone(),
            Token::SingleQuotedString(text) if interval => text.clone(),
            _ => return None,
        };
        self.at += 1;
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let inside = text[digits.len()..].trim();
        let amount: i64 = digits.trim().parse().ok()?;
        if !inside.is_empty() {
            return amount.checked_mul(sign)?.checked_mul(millis(inside)?);
        }
        let unit = match &self.tokens.get(self.at)?.token {
            Token::Word(word) => millis(&word.value),
            _ => None,
        };
        match unit {
            Some(unit) => {
                self.at += 1;
                amount.checked_mul(sign)?.checked_mul(unit)
            }
            None => (amount == 0).then_some(0),
        }
    }
}

/// The milliseconds of a unit of time.
fn millis(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    })
}
