"""What the warm process does for the X-ray: a pass of the reference, with all its steps drawn for a screen's size."""

from __future__ import annotations

from minigpt.lecture.kernel import Job


def xray(job: Job) -> Job:
    """The steps of an X-ray of a part of the storyteller, each in rows, and the line that each belongs to."""
    import minigpt
    from minigpt.pictures.xray import step_text
    from minigpt.pictures.xray_steps import xray

    lm = minigpt.load("storyteller", device="cpu", plain=True)
    try:
        seen = xray(lm, job["part"], job["prompt"])
    except ValueError as error:
        return {"right": False, "lines": [str(error)], "line": 0}
    size = {"width": job["width"], "height": job["height"]}
    steps = [step_text(seen.lines, i, seen.tokens, seen.title, **size, color=True) for i in range(len(seen))]
    return {"right": True, "steps": steps, "lines": [[line.source.name, line.number] for line in seen], **size}
