"""Texts of generated histories in nine languages, and the places where these are spoken."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """A language, a place where it is spoken, and texts in it."""

    language: str
    region: str
    currency: str
    scale: int
    """What one pound is worth, roughly, so that amounts are realistic in every currency."""
    timezone: str
    names: tuple[str, ...]
    complaints: tuple[str, ...]
    chase: str
    missing: str
    thanks: str
    answers: tuple[str, ...]
    sorry: str
    promise: str
    no: str


ENGLISH = Words(
    "en-GB",
    "uk",
    "GBP",
    1,
    "Europe/London",
    ("Olivia Hughes", "Tom Ashworth", "Priya Nair", "Gareth Lloyd"),
    (
        "The parcel came three weeks late and the box was open. I want to know what happened.",
        "I was charged twice for the same month. Please give me my money back.",
        "The repair lasted two days. Nobody told me that the part was second-hand.",
    ),
    "I wrote to you last week and have heard nothing since. Is anybody reading this?",
    "You say that you answered me. Nothing has ever arrived here.",
    "That was quick and kind. Thank you, it is all in order now.",
    (
        "We have looked into it: the second charge was our mistake. The refund is on its way.",
        "Thank you for telling us. I have asked the warehouse what happened to your parcel.",
    ),
    "I am sorry. You were right to complain, and you should not have had to do so twice.",
    "I will call you by then, whatever I have found out.",
    "We cannot refund a ticket that was used, as the conditions say.",
)
AMERICAN = ENGLISH._replace(
    language="en-US",
    region="us",
    currency="USD",
    timezone="America/New_York",
    names=("Denise Carter", "Luis Ortega", "Hannah Weiss"),
)
LANGUAGES: tuple[Words, ...] = (
    ENGLISH,
    AMERICAN,
    Words(
        "de",
        "dach",
        "EUR",
        1,
        "Europe/Berlin",
        ("Jürgen Weiß", "Annelie Krüger", "Mehmet Yıldız"),
        (
            "Das Paket kam drei Wochen zu spät, und der Karton war offen. Was ist da passiert?",
            "Für denselben Monat wurde zweimal abgebucht. Ich möchte mein Geld zurück.",
        ),
        "Letzte Woche habe ich Ihnen geschrieben und seither nichts gehört.",
        "Sie schreiben, Sie hätten geantwortet. Hier ist nichts angekommen.",
        "Das ging schnell, herzlichen Dank. Jetzt stimmt alles.",
        ("Wir haben es geprüft: Die zweite Abbuchung war unser Fehler. Sie bekommen sie zurück.",),
        "Es tut mir leid. Sie hatten recht, sich zu beschweren.",
        "Ich rufe Sie bis dahin an, was immer ich herausgefunden habe.",
        "Eine benutzte Fahrkarte können wir nach den Bedingungen nicht erstatten.",
    ),
    Words(
        "fr",
        "france",
        "EUR",
        1,
        "Europe/Paris",
        ("Chloé Lefèvre", "Amadou Diallo"),
        (
            "Le colis est arrivé avec trois semaines de retard et il était ouvert.",
            "J’ai été débitée deux fois pour le même mois. Remboursez-moi, s’il vous plaît.",
        ),
        "Je vous ai écrit la semaine dernière et je n’ai toujours pas de réponse.",
        "Vous dites m’avoir répondu, mais je n’ai rien reçu.",
        "Merci beaucoup, tout est en ordre maintenant.",
        ("Après vérification, le second prélèvement est une erreur de notre part.",),
        "Je suis désolée. Vous avez eu raison de vous plaindre.",
        "Je vous rappellerai d’ici là, quoi que j’aie trouvé.",
        "Un billet utilisé ne peut pas être remboursé, comme l’indiquent les conditions.",
    ),
    Words(
        "es-MX",
        "mexico",
        "MXN",
        20,
        "America/Mexico_City",
        ("Íñigo Peña", "Guadalupe Muñoz"),
        (
            "El paquete llegó tres semanas tarde y la caja estaba abierta. ¿Qué pasó?",
            "Me cobraron dos veces el mismo mes. Quiero que me devuelvan el dinero.",
        ),
        "Les escribí la semana pasada y no he recibido respuesta.",
        "Dicen que me contestaron, pero aquí no ha llegado nada.",
        "Muchas gracias, ya está todo arreglado.",
        ("Lo hemos revisado: el segundo cobro fue un error nuestro.",),
        "Lo siento mucho. Tenía usted razón en quejarse.",
        "Le llamaré antes de esa fecha, sepa lo que sepa.",
        "Según las condiciones, no podemos devolver un boleto que ya se usó.",
    ),
    Words(
        "ja",
        "japan",
        "JPY",
        150,
        "Asia/Tokyo",
        ("佐藤 美咲", "高橋 健一"),
        (
            "荷物が三週間も遅れて届き、箱が開いていました。何があったのか知りたいです。",
            "同じ月の料金が二回引き落とされています。返金してください。",
        ),
        "先週メールを送りましたが、まだお返事をいただいていません。",
        "返信したとのことですが、こちらには何も届いていません。",
        "早い対応をありがとうございました。解決しました。",
        ("確認したところ、二回目の請求は当社の誤りでした。返金いたします。",),
        "ご迷惑をおかけし、誠に申し訳ございません。",
        "それまでに必ずお電話いたします。",
        "規約により、使用済みの切符の払い戻しはできかねます。",
    ),
    Words(
        "zh-Hans",
        "china",
        "CNY",
        8,
        "Asia/Shanghai",
        ("王芳", "李建国"),
        (
            "包裹晚了三个星期才到，而且箱子是打开的。请告诉我发生了什么。",
            "同一个月扣了两次款，请退给我。",
        ),
        "我上周写信给你们，到现在还没有回复。",
        "你们说已经回复了，可我什么也没收到。",
        "处理得很快，谢谢，现在没问题了。",
        ("我们查过了：第二次扣款是我们的错误，退款已在处理。",),
        "非常抱歉，您的投诉是有道理的。",
        "无论结果如何，我会在那之前给您打电话。",
        "按照条款，已使用的车票不能退款。",
    ),
    Words(
        "hi",
        "india",
        "INR",
        100,
        "Asia/Kolkata",
        ("सुनीता शर्मा", "अर्जुन मेहता"),
        (
            "पार्सल तीन हफ़्ते देर से आया और डिब्बा खुला हुआ था। मुझे बताइए कि क्या हुआ।",
            "एक ही महीने के लिए दो बार पैसे काटे गए। कृपया मेरे पैसे लौटाइए।",
        ),
        "मैंने पिछले हफ़्ते लिखा था, अब तक कोई जवाब नहीं आया।",
        "आप कहते हैं कि जवाब भेजा, पर यहाँ कुछ नहीं पहुँचा।",
        "जल्दी मदद के लिए धन्यवाद, अब सब ठीक है।",
        ("हमने जाँच की: दूसरी कटौती हमारी ग़लती थी। पैसे लौटाए जा रहे हैं।",),
        "हमें खेद है। आपकी शिकायत सही थी।",
        "मैं तब तक आपको फ़ोन ज़रूर करूँगी।",
        "शर्तों के अनुसार इस्तेमाल किए गए टिकट का पैसा नहीं लौटाया जा सकता।",
    ),
    Words(
        "ar",
        "gulf",
        "AED",
        5,
        "Asia/Dubai",
        ("ليلى الحداد", "يوسف منصور"),
        (
            "وصل الطرد متأخراً ثلاثة أسابيع وكان الصندوق مفتوحاً. أريد أن أعرف ماذا حدث.",
            "خُصم المبلغ مرتين عن الشهر نفسه. أرجو إعادة نقودي.",
        ),
        "كتبت إليكم الأسبوع الماضي ولم يصلني أي رد.",
        "تقولون إنكم أجبتم، لكن لم يصلني شيء.",
        "شكراً على السرعة، كل شيء على ما يرام الآن.",
        ("راجعنا الأمر: كان الخصم الثاني خطأ منا، وسنعيد المبلغ.",),
        "نحن آسفون، وكنتم على حق في الشكوى.",
        "سأتصل بكم قبل ذلك الموعد مهما كانت النتيجة.",
        "لا يمكن رد ثمن تذكرة مستعملة بحسب الشروط.",
    ),
    Words(
        "ru",
        "kazakhstan",
        "KZT",
        500,
        "Asia/Almaty",
        ("Айгуль Сериккызы", "Дмитрий Орлов"),
        (
            "Посылка пришла на три недели позже, и коробка была вскрыта. Что случилось?",
            "За один и тот же месяц деньги списали дважды. Верните их, пожалуйста.",
        ),
        "Я писала вам на прошлой неделе, ответа до сих пор нет.",
        "Вы пишете, что ответили, но ко мне ничего не пришло.",
        "Спасибо, всё решили быстро.",
        ("Мы проверили: второе списание было нашей ошибкой, деньги вернутся.",),
        "Приносим извинения, ваша жалоба обоснованна.",
        "Я позвоню вам до этого срока в любом случае.",
        "По условиям мы не можем вернуть деньги за использованный билет.",
    ),
)
"""The most common come first, because `Story` picks the first two more often than the others."""
