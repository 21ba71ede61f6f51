// Moments in the reader's own time zone, which is named: the server writes them in UTC, in the same form. A page that has
// changed says so by "shown".

const code = document.documentElement.lang;
// ASCII digits, Gregorian dates and hours from 0 to 23 in every language, as on the server (app/web/languages.py); in
// English the day comes before the month.
const locale = new Intl.Locale(code === "en" ? "en-GB" : code, { numberingSystem: "latn", calendar: "gregory" });
const form = new Intl.DateTimeFormat(locale, {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short",
});

function localTimes() {
  for (const time of document.querySelectorAll("[data-local-time]")) {
    time.title ||= time.textContent; // in UTC
    time.textContent = form.format(new Date(time.dateTime));
  }
}

document.addEventListener("shown", localTimes);
localTimes();
