//! Links the program statically, position independent as before, where the C library is there as an
//! archive.
//!
//! Most of the time that a command takes goes into starting, and a fifth of that into the dynamic
//! linker: to find, map and relocate the C library. Rust has `-C target-feature=+crt-static` for this,
//! but a package cannot ask for it, and with it the program does not build where the archives are
//! missing. So the linker is told to make a static program, and is led to the archives by scripts that
//! have the names of the libraries which rustc asks for. Where anything is not as expected nothing
//! changes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What rustc links a program with, and the archives that stand for it. The first three need each other;
/// the others are part of the C library by now, or are there for old ones.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("gcc_s", &["gcc_eh", "gcc", "c"]),
    ("gcc", &["gcc_eh", "gcc", "c"]),
    ("c", &["c", "gcc_eh", "gcc"]),
    ("m", &["m"]),
    ("rt", &["rt"]),
    ("pthread", &["pthread"]),
    ("util", &["util"]),
    ("dl", &["dl"]),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |key: &str| env::var(key).unwrap_or_default();
    let here = target("TARGET") == target("HOST");
    if !here || target("CARGO_CFG_TARGET_OS") != "linux" || target("CARGO_CFG_TARGET_ENV") != "gnu"
    {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR") else { return };
    let place = Path::new(&out).join("archives");
    // What starts a static program that can be loaded anywhere.
    if file_of("rcrt1.o").is_some() && scripts(&place).is_some() {
        println!("cargo::rustc-link-arg-bins=-L{}", place.display());
        println!("cargo::rustc-link-arg-bins=-static-pie");
    }
}

/// Writes the linker scripts; `None` if that cannot be, or an archive is missing.
fn scripts(place: &Path) -> Option<()> {
    fs::create_dir_all(place).ok()?;
    for (library, archives) in LIBRARIES {
        let paths: Option<Vec<String>> = archives
            .iter()
            .map(|name| Some(format!("\"{}\"", file_of(&format!("lib{name}.a"))?.display())))
            .collect();
        let script = format!("GROUP({})\n", paths?.join(" "));
        fs::write(place.join(format!("lib{library}.so")), script).ok()?;
    }
    Some(())
}

/// Where `cc`, which rustc links with, has a file: else it repeats the bare name.
fn file_of(name: &str) -> Option<PathBuf> {
    let asked = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim_end());
    (asked.status.success() && path.is_absolute() && path.is_file()).then_some(path)
}
