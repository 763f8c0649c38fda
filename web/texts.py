"""What the public pages say beside the survey wordings, and how they show addresses and scores."""

from collections.abc import Mapping

from rekindle.locales import digits, pick_locale

# Our own wordings and translations, to be confirmed by native reviewers.
MORE: Mapping[str, Mapping[str, str]] = {
    "en": {
        "solved": "Is your problem solved?",
        "yes": "Yes",
        "no": "No, not yet",
        "choose": "Please choose a score.",
        "change_link": "Change my answer",
        "leave_empty": "Please leave this field empty.",
        "service": "About my own orders and requests",
        "nothing_here": "There is nothing at this address.",
    },
    "ar": {
        "solved": "هل حُلَّت مشكلتكم؟",
        "yes": "نعم",
        "no": "لا، ليس بعد",
        "choose": "يُرجى اختيار تقييم.",
        "change_link": "تعديل إجابتي",
        "leave_empty": "يُرجى ترك هذا الحقل فارغًا.",
        "service": "ما يتعلق بمشترياتي وطلباتي",
        "nothing_here": "لا يوجد شيء في هذا العنوان.",
    },
    "fa": {
        "solved": "آیا مشکل شما برطرف شده است؟",
        "yes": "بله",
        "no": "خیر، هنوز نه",
        "choose": "لطفاً یک امتیاز انتخاب کنید.",
        "change_link": "تغییر پاسخ",
        "leave_empty": "لطفاً این خانه را خالی بگذارید.",
        "service": "دربارهٔ سفارش‌ها و درخواست‌های خودم",
        "nothing_here": "در این نشانی چیزی نیست.",
    },
    "az": {
        "solved": "Probleminiz həll olundu?",
        "yes": "Bəli",
        "no": "Xeyr, hələ yox",
        "choose": "Zəhmət olmasa, qiymət seçin.",
        "change_link": "Cavabımı dəyişmək",
        "leave_empty": "Zəhmət olmasa, bu sahəni boş saxlayın.",
        "service": "Öz sifariş və müraciətlərim barədə",
        "nothing_here": "Bu ünvanda heç nə yoxdur.",
    },
}


def more_texts(wanted: str | None, language: str) -> Mapping[str, str]:
    """These texts in the best language there is for someone who reads `wanted`."""
    return MORE[pick_locale(wanted, MORE, language)]


def mask_address(address: str) -> str:
    """`sara@example.com` as `s•••@example.com`: a forwarded link must not give it away."""
    name, at, domain = address.partition("@")
    return f"{name[:1]}•••{at}{domain}" if at else "•••"


def topic_label(topic: str) -> str:
    """A topic's name as people read it."""
    return topic.replace("_", " ").capitalize()


def score_labels(scores: range, locale: str) -> list[tuple[int, str]]:
    """Each score with how the locale writes it, lowest first."""
    return [(score, digits(score, locale)) for score in scores]


def band(kind: str, score: int) -> str:
    """How a score turned out: `low`, `mid` or `high` (protocol of each kind of survey)."""
    highest_low, lowest_high = {"nps": (6, 9), "csat": (2, 4), "ces": (3, 5)}[kind]
    return "low" if score <= highest_low else "high" if score >= lowest_high else "mid"
