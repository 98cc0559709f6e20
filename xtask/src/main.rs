//! `cargo xtask`: makes what is generated, or says what is stale.

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::task::{TASKS, Task, check, named};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[&str]) -> Result<ExitCode> {
    match args {
        [] | ["help" | "-h" | "--help"] => help(),
        ["generate", names @ ..] => {
            for task in chosen(names)? {
                print(&task.generate()?);
            }
        }
        ["check", names @ ..] => {
            let stale = check(chosen(names)?)?;
            print(&stale);
            return Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        [other, ..] => bail!("unknown command '{other}': 'cargo xtask' lists what there is"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The tasks of these names; all where none is named.
fn chosen(names: &[&str]) -> Result<Vec<&'static Task>> {
    if names.is_empty() {
        return Ok(TASKS.iter().collect());
    }
    names.iter().map(|name| named(name)).collect()
}

fn print(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

fn help() {
    println!("cargo xtask generate [NAME]...  make it anew: all of it, or what is named");
    println!("cargo xtask check [NAME]...     say what is stale, and exit with 1 if anything is");
    println!("\nNames, in the order in which they are made:");
    for task in TASKS {
        println!("  {:<10} {}", task.name, task.about);
    }
}
