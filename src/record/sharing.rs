//! Who else may use what is made on disk: `core.sharedRepository`, by git's own rules.

/// Bits that git gives what it makes beside those that the umask leaves (`path.c`,
/// `calc_shared_perm`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sharing {
    /// As the umask says.
    #[default]
    Umask,
    /// These as well.
    Also(u32),
    /// Just these.
    Exactly(u32),
}

impl Sharing {
    /// The group, too.
    pub const GROUP: Self = Self::Also(0o660);
    /// The group, and everybody for reading.
    pub const EVERYBODY: Self = Self::Also(0o664);

    /// Reads the value of `core.sharedRepository` as far as it is no boolean; `None` for what is no
    /// value of it.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            "umask" => return Some(Self::Umask),
            "group" => return Some(Self::GROUP),
            "all" | "world" | "everybody" => return Some(Self::EVERYBODY),
            _ => {}
        }
        match u32::from_str_radix(value, 8).ok()? {
            0 => Some(Self::Umask),
            1 => Some(Self::GROUP),
            2 => Some(Self::EVERYBODY),
            // Who made it must be able to read and write it.
            mode => (mode & 0o600 == 0o600).then_some(Self::Exactly(mode & 0o666)),
        }
    }

    /// What becomes of a file or a directory that has these bits; `None` if they stay.
    #[must_use]
    pub fn mode(self, mode: u32, is_dir: bool) -> Option<u32> {
        let (Self::Also(mut bits) | Self::Exactly(mut bits)) = self else { return None };
        // What nobody may change stays so.
        if mode & 0o200 == 0 {
            bits &= !0o222;
        }
        if mode & 0o100 != 0 {
            bits |= (bits & 0o444) >> 2;
        }
        let mut new = match self {
            Self::Exactly(_) => mode & !0o777 | bits,
            Self::Umask | Self::Also(_) => mode | bits,
        };
        if is_dir {
            new |= (new & 0o444) >> 2;
            // What is made in it belongs to the same group.
            if new & 0o60 != 0 {
                new |= 0o2000;
            }
        }
        (new & 0o7777 != mode & 0o7777).then_some(new & 0o7777)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As git 2.47 makes them: `git init --shared=<value>` under a umask of 077.
    #[test]
    fn modes_of_git() {
        for (value, file, frozen, dir) in [
            ("group", 0o660, 0o440, 0o2770),
            ("1", 0o660, 0o440, 0o2770),
            ("all", 0o664, 0o444, 0o2775),
            ("2", 0o664, 0o444, 0o2775),
            ("0640", 0o640, 0o440, 0o2750),
            ("0666", 0o666, 0o444, 0o2777),
        ] {
            let sharing = Sharing::parse(value).unwrap();
            let is = |mode, is_dir| sharing.mode(mode, is_dir).unwrap_or(mode);
            assert_eq!((is(0o600, false), is(0o400, false), is(0o700, true)), (file, frozen, dir));
            assert_eq!(
                sharing.mode(is(0o600, false), false),
                None,
                "{value}: it is as it should be"
            );
        }
        for value in ["umask", "0"] {
            assert_eq!(Sharing::parse(value).unwrap().mode(0o600, false), None);
        }
        assert_eq!(Sharing::parse("0640").unwrap().mode(0o644, false), Some(0o640));
        for value in ["", "perhaps", "0440", "-1"] {
            assert_eq!(Sharing::parse(value), None, "{value}");
        }
    }
}
